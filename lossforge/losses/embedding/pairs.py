"""Which embeddings of a batch are compared, and reductions over those that are."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, align
from lossforge.losses.embedding.distances import diagonal


class InBatch(Loss):
    """Base of losses that compare every embedding of a batch with the others.

    A subclass writes `pair_values(embeddings, positive, negative)`. Rows are anchors; `positive`
    and `negative` are boolean (B, B): of the same class but not itself, and of another class.
    Examples of weight 0 and masked ones are in neither, as row or as column. An anchor that misses
    the pairs that a formula needs has value 0 and stays in the mean.
    """

    batch_coupled = True
    minimum = None
    memory = "O(B^2)"

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        labels, counts = check_batch(type(self).__name__, y_true, y_pred, counts)
        values = self.pair_values(y_pred, *same_and_other(labels, counts))
        return where_nan(y_pred, values)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define pair_values.")


def check_batch(loss: str, y_true: Any, y_pred: Any, counts: Any) -> tuple[Any, Any]:
    """Labels and counts as (batch,), or a ValueError that says which shapes fit."""
    if len(y_pred.shape) != 2:
        raise ValueError(f"{loss} reads embeddings of shape (batch, D), got {tuple(y_pred.shape)}.")
    if len(y_true.shape) == 2 and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    if len(y_true.shape) != 1:
        raise ValueError(
            f"{loss} reads class ids of shape (batch,) as y_true, got {tuple(y_true.shape)}; "
            "of one-hot labels take the argmax."
        )
    return y_true, align(counts, y_true)


def same_and_other(labels: Any, counts: Any) -> tuple[Any, Any]:
    """(positive, negative), boolean (B, B)."""
    same = ops.equal(labels[:, None], labels[None, :])
    both = ops.logical_and(counts[:, None], counts[None, :])
    positive = ops.logical_and(same, ops.logical_not(diagonal(labels)))
    return ops.logical_and(positive, both), ops.logical_and(ops.logical_not(same), both)


def where_nan(embeddings: Any, values: Any) -> Any:
    """NaN for examples whose embedding holds NaN, which comparisons would hide."""
    return ops.where(ops.any(ops.isnan(embeddings), axis=-1), float("nan"), values)


def some(mask: Any) -> Any:
    """Which rows have at least one True."""
    return ops.any(mask, axis=-1)


def number(mask: Any, like: Any) -> Any:
    """How many are True, a row."""
    return ops.sum(ops.cast(mask, like.dtype), axis=-1)


def sum_where(mask: Any, x: Any) -> Any:
    return ops.sum(ops.where(mask, x, 0.0), axis=-1)


def mean_where(mask: Any, x: Any) -> Any:
    """Mean over the entries of a row where `mask` holds; 0 where there are none."""
    return sum_where(mask, x) / ops.maximum(number(mask, x), 1.0)


def max_where(mask: Any, x: Any) -> Any:
    """The largest entry of a row where `mask` holds; 0 where there are none."""
    largest = ops.max(ops.where(mask, x, -float("inf")), axis=-1)
    return ops.where(some(mask), largest, 0.0)


def min_where(mask: Any, x: Any) -> Any:
    return -max_where(mask, -x)


def log_sum_exp_where(mask: Any, x: Any) -> Any:
    """log sum exp of a row where `mask` holds; 0, without gradient, where there are none."""
    among = ops.where(mask, x, -float("inf"))
    top = ops.stop_gradient(ops.max(among, axis=-1, keepdims=True))
    top = ops.where(ops.isfinite(top), top, 0.0)
    total = ops.sum(ops.exp(among - top), axis=-1)
    return ops.log(ops.where(some(mask), total, 1.0)) + top[..., 0]


def search_rows(ascending: Any, values: Any, side: str = "left") -> Any:
    """How many entries of each ascending row are below ("left"), or not above ("right"), a value.

    `keras.ops.searchsorted` takes one row only.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.vmap(lambda a, v: jax.numpy.searchsorted(a, v, side=side))(ascending, values)
    import tensorflow as tf

    return tf.searchsorted(ascending, values, side=side)
