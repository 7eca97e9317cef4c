"""The k-th largest of many numbers without sorting them: OHEM over the pixels of a batch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

SAMPLE = 8192


def kth_largest(x: Any, k: Any) -> Any:
    """The largest t such that at least k of `x` are >= t, with no number of `x` between.

    Searches the bits of a number and counts: two guesses from a sample, then interpolation and
    bisection in turn, until exactly k are above. Some ten passes over `x` in place of a sort. With
    ties at the k-th, t is their value. NaN counts as the largest, so that it is kept and seen.

    Args:
        x: (N,), float32 or float64.
        k: a whole number or scalar tensor, 1 <= k <= N.
    """
    bits = ordered_bits(ops.cast(x, "float32"))
    size = ops.convert_to_tensor(ops.size(bits), "int32")
    k = ops.cast(k, "int32")
    guesses = _guesses(bits, k, size)

    def unresolved(step, low, high, at_low, at_high):
        return ops.logical_and(low + 1 < high, at_low != k)

    def narrow(step, low, high, at_low, at_high):
        middle = low // 2 + high // 2 + (low % 2 + high % 2) // 2  # no overflow
        share = ops.cast(at_low - k, "float32") / ops.cast(at_low - at_high, "float32")
        left, right = ops.cast(low, "float32"), ops.cast(high, "float32")
        between = ops.cast(left + (right - left) * share, "int32")
        probe = ops.where(step % 2 == 0, between, middle)
        probe = ops.where(step < 2, ops.take(guesses, ops.minimum(step, 1)), probe)
        probe = ops.clip(probe, low + 1, high - 1)
        above = ops.cast(ops.sum(ops.cast(bits >= probe, "int32")), "int32")  # JAX widens sums
        enough = above >= k
        low, at_low = ops.where(enough, probe, low), ops.where(enough, above, at_low)
        high, at_high = ops.where(enough, high, probe), ops.where(enough, at_high, above)
        return step + 1, low, high, at_low, at_high

    zero = ops.zeros_like(size)
    state = (zero, ops.min(bits), ops.max(bits) + 1, size, zero)
    low = ops.while_loop(unresolved, narrow, state)[1]
    return ops.min(ops.where(bits >= low, x, float("inf")))


def _guesses(bits: Any, k: Any, size: Any) -> Any:
    """Bits that have the k-th largest between them, most likely, from a sorted sample."""
    count = bits.shape[0]
    stride = ops.maximum(1, size // SAMPLE) if count is None else max(1, count // SAMPLE)
    sample = ops.sort(bits[::stride])
    number = ops.cast(ops.size(sample), "float32")
    share = ops.cast(k, "float32") / ops.cast(size, "float32")
    margin = 3.0 * ops.sqrt(number * share * (1.0 - share)) + 1.0
    ranks = number * (1.0 - share) + ops.stack([-margin, margin])
    return ops.take(sample, ops.cast(ops.clip(ranks, 0.0, number - 1.0), "int32"))


def ordered_bits(x: Any) -> Any:
    """int32 in the order of the float32 numbers."""
    if keras.backend.backend() == "jax":
        import jax

        bits = jax.lax.bitcast_convert_type(x, "int32")
    else:
        import tensorflow as tf

        bits = tf.bitcast(x, "int32")
    return ops.where(bits < 0, ops.bitwise_xor(bits, 0x7FFFFFFF), bits)
