"""Lists of items with grades of relevance: what counts, which pairs are in order, gains."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.embedding.pairs import where_nan


class ListLoss(Loss):
    """Base of losses over the items of one list, such as the answers to one query.

    A subclass writes `list_values(y, s, real)`: grades, scores and which items are not padding,
    all (batch, N); scores and grades of padding are 0.
    """

    memory = "O(B N^2)"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_pred.shape) != 2 or len(y_true.shape) != 2:
            raise ValueError(
                f"{type(self).__name__} reads grades and scores of shape (batch, items), got "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}."
            )
        y = ops.cast(y_true, y_pred.dtype)
        real = y >= 0
        scores = ops.where(real, y_pred, 0.0)
        return where_nan(scores, self.list_values(ops.where(real, y, 0.0), scores, real))

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define list_values.")


def ordered_pairs(y: Any, real: Any) -> Any:
    """Boolean (batch, N, N): item i is to stand above item j."""
    both = ops.logical_and(real[:, :, None], real[:, None, :])
    return ops.logical_and(both, y[:, :, None] > y[:, None, :])


def places(keys: Any, real: Any) -> Any:
    """The place of each item, from 1, by falling key; ties by position. 1 for padding."""
    number = ops.arange(keys.shape[1])
    above = keys[:, None, :] > keys[:, :, None]
    tied = ops.equal(keys[:, None, :], keys[:, :, None])
    above = ops.logical_or(above, ops.logical_and(tied, number[None, :] < number[:, None]))
    both = ops.logical_and(real[:, :, None], real[:, None, :])
    return 1.0 + ops.sum(ops.cast(ops.logical_and(above, both), keys.dtype), axis=-1)


def gains(y: Any, real: Any) -> Any:
    """2^y - 1; 0 for padding."""
    return ops.where(real, ops.expm1(math.log(2.0) * y), 0.0)


def discount(place: Any) -> Any:
    """1 / log2(1 + place)."""
    return math.log(2.0) / ops.log1p(place)


def ideal_gain(y: Any, real: Any) -> Any:
    """The discounted gain of the best order, (batch,)."""
    return ops.sum(gains(y, real) * discount(places(y, real)), axis=-1)


def share_of(total: Any, whole: Any) -> Any:
    """total / whole; 0 where the whole is 0."""
    return ops.where(whole > 0, total / ops.where(whole > 0, whole, 1.0), 0.0)


def mean_of(values: Any, chosen: Any, axis: Any) -> Any:
    """The mean of the chosen ones; 0 where there are none."""
    total = ops.sum(ops.where(chosen, values, 0.0), axis=axis)
    return total / ops.maximum(ops.sum(ops.cast(chosen, values.dtype), axis=axis), 1.0)
