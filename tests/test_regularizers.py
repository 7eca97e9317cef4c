"""Regularisers of class weights against loops, their slopes, and a layer that uses them."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from lossforge.regularizers import CenterInvariant, Lp, RegularFace, SparseCenters, ZeroMean


def lp(w, p, power):
    return np.mean([sum(abs(x) ** p for x in row) ** (power / p) for row in w])


def center_invariant(w):
    squares = [sum(x * x for x in row) for row in w]
    mean = sum(squares) / len(squares)
    return sum((s - mean) ** 2 / 4 for s in squares) / len(squares)


def cosine(a, b):
    return np.dot(a, b) / math.hypot(*a) / math.hypot(*b)


def regular_face(w):
    n = range(len(w))
    return np.mean([max(cosine(w[c], w[k]) for k in n if k != c) for c in n])


def sparse_centers(w, centers):
    distances = []
    for first in range(0, len(w), centers):
        of_class = [row / math.hypot(*row) for row in w[first : first + centers]]
        for s in range(centers):
            distances += [math.dist(of_class[s], of_class[t]) for t in range(s + 1, centers)]
    return np.mean(distances)


CASES = [
    (Lp(2.0), lambda w: 2.0 * lp(w, 2, 1)),
    (Lp(1.0, p=3.0, power=2.0), lambda w: lp(w, 3, 2)),
    (Lp(1.0, p=1.0), lambda w: lp(w, 1, 1)),
    (ZeroMean(0.5), lambda w: 0.5 * np.mean([abs(row.sum()) for row in w])),
    (CenterInvariant(1.0), center_invariant),
    (RegularFace(1.0), regular_face),
    (SparseCenters(3, factor=1.0), lambda w: sparse_centers(w, 3)),
]
IDS = [type(regularizer).__name__ for regularizer, _ in CASES]


def slope(regularizer, x):
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(regularizer)(ops.convert_to_tensor(x)))
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = regularizer(x)
    return tape.gradient(value, x).numpy()


@pytest.mark.parametrize(("regularizer", "oracle"), CASES, ids=IDS)
def test_equals_a_loop_over_columns_or_rows(regularizer, oracle):
    rows = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    assert float(regularizer(rows.T)) == pytest.approx(oracle(rows), rel=1e-5)
    by_row = type(regularizer).from_config({**regularizer.get_config(), "axis": 0})
    assert float(by_row(rows)) == pytest.approx(oracle(rows), rel=1e-5)


@pytest.mark.parametrize(("regularizer", "oracle"), CASES, ids=IDS)
def test_slope_equals_finite_differences(regularizer, oracle):
    rows = np.random.default_rng(1).normal(size=(6, 4))
    actual = slope(regularizer, rows.T.astype("float32")).T
    for index in np.ndindex(*rows.shape):
        step = np.zeros_like(rows)
        step[index] = 1e-6
        expected = (oracle(rows + step) - oracle(rows - step)) / 2e-6
        assert actual[index] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("regularizer", "oracle"), CASES, ids=IDS)
@pytest.mark.parametrize("fill", [0.0, 1e-20, 1.0, 1e4])
def test_value_and_slope_are_finite_for_zero_equal_and_large_vectors(regularizer, oracle, fill):
    x = np.full((4, 6), fill, "float32")
    assert np.isfinite(float(regularizer(x)))
    assert np.all(np.isfinite(slope(regularizer, x)))


@pytest.mark.parametrize(("regularizer", "oracle"), CASES, ids=IDS)
def test_half_precision_is_computed_in_float32(regularizer, oracle):
    x = ops.cast(np.full((4, 6), 300.0), "float16")
    assert np.isfinite(float(regularizer(x)))


@pytest.mark.parametrize(("regularizer", "oracle"), CASES, ids=IDS)
def test_a_layer_adds_it_and_is_rebuilt_with_it(regularizer, oracle):
    layer = keras.layers.Dense(6, kernel_regularizer=regularizer)
    layer.build((None, 4))
    expected = float(regularizer(layer.kernel))
    assert float(layer.losses[0]) == pytest.approx(expected, rel=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(regularizer))
    assert type(again) is type(regularizer)
    assert again.get_config() == regularizer.get_config()


def test_lp_regularises_embeddings_as_activities():
    layer = keras.layers.Activation("linear", activity_regularizer=Lp(1.0, axis=0))
    layer(np.array([[3.0, 4.0], [0.0, 0.0]], "float32"))
    assert float(layer.losses[0]) > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lp(factor=-1.0), "factor must be a number at least 0, got -1.0"),
        (lambda: Lp(p=0.5), "p must be a number"),
        (lambda: ZeroMean(axis=1), "axis must be 0 or -1, got 1"),
        (lambda: SparseCenters(1), "centers must be an integer of at least 2, got 1"),
        (lambda: SparseCenters(4)(np.ones((2, 6))), "no multiple of centers=4"),
        (lambda: RegularFace()(np.ones((2, 3, 4))), "got weights of shape"),
    ],
)
def test_bad_arguments_and_shapes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
