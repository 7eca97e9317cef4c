"""The k-th largest number, against a sort."""

import keras
import numpy as np
import pytest
from keras import ops

from lossforge.losses.largest import kth_largest

RNG = np.random.default_rng(0)
NUMBERS = {
    "normal": RNG.normal(size=20000),
    "heavy-tailed": np.exp(8.0 * RNG.normal(size=20000)),
    "with ties": RNG.integers(0, 5, 3000).astype(float),
    "all equal": np.full(100, 0.3),
    "zeros and one": np.eye(1, 100)[0],
    "without candidates": np.where(RNG.random(500) < 0.9, -np.inf, RNG.normal(size=500)),
    "one": np.array([2.0]),
    "both signs of extremes": np.array([-3e38, 3e38, -1e-38, 1e-38, 0.0, -0.0]),
}


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_it_is_the_one_of_the_sorted_numbers(numbers):
    x = ops.convert_to_tensor(numbers, "float32")
    ranked = np.sort(ops.convert_to_numpy(x))[::-1]
    for k in sorted({1, len(x) // 10 or 1, len(x) // 2 or 1, len(x)}):
        assert float(kth_largest(x, k)) == ranked[k - 1]


def test_a_nan_is_kept():
    x = ops.convert_to_tensor([1.0, np.nan, 3.0], "float32")
    assert np.isnan(float(kth_largest(x, 1))) or float(kth_largest(x, 2)) == 3.0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function")
@pytest.mark.parametrize("xla", [False, True])
def test_it_compiles_also_for_an_unknown_number_of_numbers(xla):
    import tensorflow as tf

    shape = [None] if not xla else [300]
    compiled = tf.function(kth_largest, jit_compile=xla)
    spec = tf.TensorSpec(shape, tf.float32), tf.TensorSpec([], tf.int32)
    x = RNG.normal(size=300).astype("float32")
    result = compiled.get_concrete_function(*spec)(tf.constant(x), tf.constant(30))
    assert float(result) == np.sort(x)[-30]
