"""The k-th largest of many numbers without sorting them: OHEM over the pixels of a batch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def kth_largest(x: Any, k: Any) -> Any:
    """A number t >= the next smaller one such that at least k of `x` are >= t, and no fewer.

    Bisects the bits of a number and counts, which stops as soon as exactly k are above: some
    twenty passes over `x` in place of a sort. With ties at the k-th, t is their value. NaN counts
    as the largest, so that it is kept and seen.

    Args:
        x: (N,), float32 or float64.
        k: a whole number or scalar tensor, 1 <= k <= N.
    """
    bits = ordered_bits(ops.cast(x, "float32"))
    low, high = ops.min(bits), ops.max(bits)  # count(low) >= k always

    def unresolved(low, high, count):
        return ops.logical_and(low < high, count != k)

    def halve(low, high, count):
        middle = low // 2 + high // 2 + (low % 2 + high % 2 + 1) // 2  # rounded up, no overflow
        above = ops.sum(ops.cast(bits >= middle, "int32"))
        enough = above >= k
        low = ops.where(enough, middle, low)
        high = ops.where(enough, high, middle - 1)
        return low, high, ops.where(enough, above, count)

    state = (low, high, ops.convert_to_tensor(ops.size(bits), "int32"))
    low, _, _ = ops.while_loop(unresolved, halve, state)
    return ops.min(ops.where(bits >= low, x, float("inf")))


def ordered_bits(x: Any) -> Any:
    """int32 in the order of the float32 numbers."""
    if keras.backend.backend() == "jax":
        import jax

        bits = jax.lax.bitcast_convert_type(x, "int32")
    else:
        import tensorflow as tf

        bits = tf.bitcast(x, "int32")
    return ops.where(bits < 0, ops.bitwise_xor(bits, 0x7FFFFFFF), bits)
