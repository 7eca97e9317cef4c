"""Sums over all pairs of rows, a chunk of rows at a time: O(chunk B) memory, forward and backward.

What a chunk computes is computed again for the gradient instead of being kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

Mask = Callable[[Any], Any]


def check_chunk(loss: str, chunk: int | None) -> int | None:
    if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"{loss}: chunk must be a whole number >= 1 or None, got {chunk!r}.")
    return chunk


def log_sum_exp_of_dots(x: Any, mask: Mask, scale: float, chunk: int) -> Any:
    """log sum_k exp(scale x_i . x_k) over the columns k that `mask` leaves a row; 0 without any.

    Args:
        x: (B, D).
        mask: from indices of rows (chunk,) to boolean (chunk, B), without a gradient.
        scale: one over the temperature.
        chunk: how many rows at a time.
    """

    def logits_of(x, rows):
        own = ops.take(x, rows, axis=0)
        return own, ops.where(mask(rows), scale * ops.matmul(own, ops.transpose(x)), -float("inf"))

    def forward(x):
        def step(start, values):
            rows = rows_from(start, chunk, x)
            _, logits = logits_of(x, rows)
            top = ops.max(logits, axis=-1)
            some = top > -float("inf")
            top = ops.where(some, top, 0.0)
            total = ops.sum(ops.exp(logits - top[:, None]), axis=-1)
            value = ops.where(some, ops.log(ops.where(some, total, 1.0)) + top, 0.0)
            return ops.scatter_update(values, rows[:, None], value)

        return over_chunks(step, ops.zeros_like(x[:, 0]), x, chunk)

    def backward(x, values, upstream):
        def step(start, total):
            rows = rows_from(start, chunk, x)
            own, logits = logits_of(x, rows)
            fresh = ops.cast(ops.arange(chunk) + start < ops.shape(x)[0], x.dtype)
            share = ops.exp(logits - ops.take(values, rows)[:, None])
            share = scale * share * (ops.take(upstream, rows) * fresh)[:, None]
            total = total + ops.matmul(ops.transpose(share), own)
            return _add_rows(total, rows, ops.matmul(share, x))

        return over_chunks(step, ops.zeros_like(x), x, chunk)

    @ops.custom_gradient
    def function(x):
        values = forward(x)

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            return backward(x, values, upstream)

        return values, gradient

    return function(x)


def rows_from(start: Any, chunk: int, x: Any) -> Any:
    """Indices of the next rows; the last chunk repeats the last row where rows have run out."""
    return ops.minimum(start + ops.arange(chunk), ops.shape(x)[0] - 1)


def over_chunks(step: Callable[[Any, Any], Any], state: Any, x: Any, chunk: int) -> Any:
    """`state` after `step(start, state)` for each chunk of the rows of `x`."""
    rows = ops.shape(x)[0]
    _, state = ops.while_loop(
        lambda start, _: start < rows,
        lambda start, state: (start + chunk, step(start, state)),
        (ops.convert_to_tensor(0, "int32"), state),
    )
    return state


def class_sums(x: Any, labels: Any, counts: Any) -> tuple[Any, Any]:
    """(sum of the rows of each row's class, their number), without a matrix of pairs."""
    order = ops.argsort(labels)
    ascending = ops.take(labels, order)
    new = ops.cast(ascending[1:] != ascending[:-1], "int32")
    groups = ops.concatenate([ops.zeros_like(order[:1], "int32"), ops.cumsum(new)])
    group = ops.scatter_update(ops.zeros_like(groups), order[:, None], groups)
    weight = ops.cast(counts, x.dtype)[:, None]
    rows = ops.concatenate([x * weight, weight], axis=-1)
    summed = ops.segment_sum(rows, group, num_segments=rows.shape[0] or ops.shape(rows)[0])
    summed = ops.take(summed, group, axis=0)
    return summed[:, :-1], summed[:, -1]


def _add_rows(total: Any, rows: Any, values: Any) -> Any:
    """Adds `values` at `rows`; a repeated last row adds 0."""
    one_hot = ops.segment_sum(values, rows, num_segments=total.shape[0] or ops.shape(total)[0])
    return total + one_hot
