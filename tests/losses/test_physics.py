"""Derivatives of networks, and a small physics-informed fit."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.losses.physics.derivatives import partial_derivative, residual_attention


def test_first_and_mixed_derivatives_of_all_outputs():
    x = np.random.default_rng(0).uniform(0.5, 1.5, (5, 2)).astype("float32")

    def f(p):
        return ops.stack([p[:, 0] ** 2 * p[:, 1], ops.sin(p[:, 0] * p[:, 1])], axis=-1)

    a, b = x[:, 0], x[:, 1]
    first = ops.convert_to_numpy(partial_derivative(f, 0)(x))
    np.testing.assert_allclose(first, np.stack([2 * a * b, b * np.cos(a * b)], -1), rtol=1e-5)
    mixed = ops.convert_to_numpy(partial_derivative(partial_derivative(f, 0), 1)(x))
    expected = np.stack([2 * a, np.cos(a * b) - a * b * np.sin(a * b)], -1)
    np.testing.assert_allclose(mixed, expected, rtol=1e-4, atol=1e-5)


def test_a_coordinate_that_is_not_read_has_derivative_zero():
    slope = partial_derivative(lambda p: ops.square(p[:, :1]), 1)
    assert np.all(ops.convert_to_numpy(slope(np.ones((3, 2), "float32"))) == 0)


def test_a_coordinate_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="axis=2 is no coordinate of points of 2"):
        partial_derivative(ops.sin, 2)(np.ones((3, 2), "float32"))


def test_a_residual_trains_the_network_through_second_derivatives():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="tanh")])
    x = np.linspace(-1, 1, 8, dtype="float32")[:, None]
    loss = lossforge.Residual()

    def total(weights):
        def u(p):
            return ops.tanh(ops.matmul(p, weights[0]) + weights[1])

        bend = partial_derivative(partial_derivative(u, 0), 0)
        return loss(np.zeros((8, 1)), bend(x) + u(x))

    weights = [ops.convert_to_tensor(w) for w in network.get_weights()]
    weights[1] = weights[1] + 0.3
    if keras.backend.backend() == "jax":
        import jax

        gradient = jax.grad(total)(weights)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = total(weights)
        gradient = tape.gradient(value, weights)
    for i, part in enumerate(gradient):
        step = [w * 0 for w in weights]
        step[i] = step[i] + 1e-2
        up = float(total([w + s for w, s in zip(weights, step, strict=True)]))
        down = float(total([w - s for w, s in zip(weights, step, strict=True)]))
        expected = (up - down) / 2e-2
        assert float(ops.sum(part)) == pytest.approx(expected, rel=2e-2, abs=1e-4)


def test_causal_weights_silence_later_moments_until_earlier_ones_are_solved():
    loss = lossforge.CausalResidual(epsilon=50.0)
    early = np.array([[[1.0], [0.0], [1.0]]])
    late = np.array([[[0.0], [0.0], [1.0]]])
    zero = np.zeros_like(early)
    assert float(loss(zero, early)) == pytest.approx(1 / 3, rel=1e-6)
    assert float(loss(zero, late)) == pytest.approx(1 / 3, rel=1e-6)
    assert float(loss(zero, early * [[[1.0], [1.0], [9.0]]])) == pytest.approx(1 / 3, rel=1e-6)


def test_causal_residual_without_steepness_is_the_residual():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 3, 4, 5))
    causal = lossforge.CausalResidual(epsilon=0.0)(y, p)
    assert float(causal) == pytest.approx(float(lossforge.Residual()(y, p)), rel=1e-6)


def test_sobolev_with_no_weight_reads_values_only():
    loss = lossforge.Sobolev(weight=0.0)
    assert float(loss([[1.0, 5.0]], [[1.0, 9.0]])) == 0.0


def test_residual_attention_settles_at_rate_over_one_minus_decay():
    weights = ops.zeros(3)
    for _ in range(200):
        weights = residual_attention(weights, ops.array([2.0, -1.0, 0.0]), decay=0.9, rate=0.1)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), [1.0, 0.5, 0.0], rtol=1e-4)


def test_residual_attention_of_solved_equations_is_finite():
    weights = residual_attention(ops.ones(2), ops.zeros(2), decay=0.5)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lossforge.Residual(power=0.5), "power"),
        (lambda: lossforge.CausalResidual(epsilon=-1), "epsilon"),
        (lambda: lossforge.Sobolev(weight=float("nan")), "weight"),
        (lambda: residual_attention([1.0], [1.0], decay=1.0), "decay"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
