"""What the conformance kit cannot see of adversarial losses."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.losses.adversarial import penalties
from lossforge.testing import gradient_of, values_of


def slope_in_weight(function, weight):
    """d sum(function(weight)) / d weight, on the backend in use."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda w: ops.sum(function(w)))(ops.convert_to_tensor(weight)))
    import tensorflow as tf

    weight = tf.constant(weight)
    with tf.GradientTape() as tape:
        tape.watch(weight)
        total = ops.sum(function(weight))
    return tape.gradient(total, weight).numpy()


def test_gradient_penalty_takes_the_norm_over_the_whole_example():
    weight = np.array([[[3.0, 0.0], [0.0, 4.0]]], dtype="float32")  # a norm a pixel gives 3 and 4
    critic = lambda x: ops.sum(x * weight, axis=(1, 2, 3))  # noqa: E731
    real, generated = np.ones((5, 1, 2, 2), "float32"), np.zeros((5, 1, 2, 2), "float32")
    values = penalties.gradient_penalty(critic, real, generated)
    np.testing.assert_allclose(ops.convert_to_numpy(values), np.full(5, 16.0), rtol=1e-6)


def test_gradient_penalty_trains_the_weights_of_the_critic():
    x = np.ones((1, 2), "float32")

    def penalty(w):
        return penalties.gradient_penalty(lambda at: ops.sum(at * w, axis=-1), x, 0 * x)

    actual = slope_in_weight(penalty, np.array([3.0, 4.0], "float32"))
    np.testing.assert_allclose(actual, 2 * (5 - 1) * np.array([0.6, 0.8]), rtol=1e-5)


def test_a_flat_critic_has_a_finite_penalty_and_slope():
    x = np.ones((2, 3), "float32")

    def penalty(w):
        return penalties.gradient_penalty(lambda at: ops.sum(at * w, axis=-1), x, x)

    assert np.all(np.isfinite(slope_in_weight(penalty, np.zeros(3, "float32"))))


def test_r1_is_half_gamma_times_the_squared_slope_at_real_examples():
    critic = lambda x: ops.sum(ops.square(x), axis=-1)  # noqa: E731
    x = np.array([[1.0, 2.0], [0.0, 0.5]], "float32")
    expected = 0.5 * 4.0 * np.sum((2 * x) ** 2, axis=-1)
    for function in (penalties.r1, penalties.r2):
        actual = ops.convert_to_numpy(function(critic, x, gamma=4.0))
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_path_length_of_a_scaling_generator():
    latents = np.ones((4000, 2), "float32")
    generator = lambda w: ops.reshape(3.0 * w, (-1, 1, 1, 2))  # noqa: E731
    values, mean = penalties.path_length(generator, latents, 0.0, seed=1)
    # |g| = 3 |noise|, and the mean square of two normal numbers is 2
    assert float(ops.mean(values)) == pytest.approx(18.0, rel=0.1)
    assert float(mean) == pytest.approx(3.0 * np.sqrt(np.pi / 2), rel=0.1)


def test_the_non_saturating_generator_keeps_its_slope_while_the_critic_wins():
    losing = np.array([[-20.0]])
    keeps = gradient_of(lossforge.NonSaturatingGAN(), [[1.0]], losing)
    fades = gradient_of(lossforge.NonSaturatingGAN(saturating=True), [[1.0]], losing)
    assert keeps[0, 0] == pytest.approx(-1.0) and abs(fades[0, 0]) < 1e-6


def test_one_sided_smoothing_leaves_generated_examples_alone():
    loss, plain = lossforge.NonSaturatingGAN(real_label=0.9), lossforge.NonSaturatingGAN()
    scores = np.array([[0.3]])
    assert values_of(loss, [[0.0]], scores) == values_of(plain, [[0.0]], scores)
    assert values_of(loss, [[1.0]], scores) != values_of(plain, [[1.0]], scores)


def test_least_squares_labels_are_the_targets():
    loss = lossforge.LeastSquaresGAN(real=1.0, fake=-1.0)
    assert values_of(loss, [[1.0], [0.0]], [[2.0], [1.0]]).tolist() == [0.5, 2.0]


def test_relativistic_squares():
    loss = lossforge.RelativisticGAN(cost="squared", average=True)
    values = values_of(loss, [[0.0], [2.0]], [[3.0], [5.0]])  # means 1 and 4
    assert values.tolist() == [1.0 + 9.0, 9.0 + 1.0]


def test_relativistic_scores_have_no_origin():
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=(2, 6, 1))
    for average in (False, True):
        loss = lossforge.RelativisticGAN(average=average)
        expected = values_of(loss, low, high)
        np.testing.assert_allclose(values_of(loss, low + 7, high + 7), expected, rtol=1e-5)


def test_patches_of_a_critic_are_values_of_their_own():
    assert values_of(lossforge.HingeGAN(), np.ones((2, 3, 4, 1)), np.zeros((2, 3, 4, 1))).shape == (
        2,
        3,
        4,
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lossforge.HingeGAN(side="discriminator"), "'discriminator'"),
        (lambda: lossforge.HingeGAN(margin=0.0), "margin"),
        (lambda: lossforge.RelativisticGAN(cost="l2"), "'l2'"),
        (lambda: lossforge.NonSaturatingGAN(real_label=0.2), "real_label"),
        (lambda: lossforge.GradientPenalty(target=0.0), "target"),
        (lambda: lossforge.ZeroGradientPenalty(gamma=-1.0), "gamma"),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
