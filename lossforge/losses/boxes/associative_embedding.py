"""Which corners belong to one object: tags alike within, apart between."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.ranges import Float


class AssociativeEmbedding(Loss):
    """Pulls the tags of one object's points together, and those of different objects apart.

        m_k = mean of the tags of object k
        pull = mean over objects and points of (tag - m_k)^2
        loss = pull_weight pull + push_weight mean over pairs j != k of max(0, margin - |m_j - m_k|)

    Reads: y_pred: (batch, N, P) tags read at the P points (corners, joints) of N objects. y_true:
        (batch, N), 1 for objects, 0 for padding.
    Returns: (batch,).
    Edges: an image without objects costs 0, one with a single object has no push. The common
        implementation divides pull by the objects and adds up the points; this is its mean.
    Source: Newell et al. 2017, Associative Embedding: End-to-End Learning for Joint Detection and
        Grouping; push as in Law and Deng 2018, CornerNet, equation 5.

    >>> float(AssociativeEmbedding()([[1.0, 1.0]], [[[0.0, 0.0], [5.0, 5.0]]]))
    0.0

    Args:
        pull_weight: >= 0; 0.25.
        push_weight: >= 0; 0.25.
        margin: how far apart tags of different objects must be, > 0; 1.
    """

    kinds = ("tags",)
    source = "Newell et al. 2017, Associative Embedding"
    memory = "O(B N^2)"
    search = {"pull_weight": Float(0.05, 1.0, log=True), "push_weight": Float(0.05, 1.0, log=True)}
    variants = ({}, {"pull_weight": 1.0, "push_weight": 0.5, "margin": 3.0})

    def __init__(
        self,
        pull_weight: float = 0.25,
        push_weight: float = 0.25,
        margin: float = 1.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.pull_weight = check_range("AssociativeEmbedding", "pull_weight", pull_weight, 0.0)
        self.push_weight = check_range("AssociativeEmbedding", "push_weight", push_weight, 0.0)
        self.margin = check_range("AssociativeEmbedding", "margin", margin, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        real = ops.not_equal(y_true, 0)
        centre = ops.sum(y_pred, axis=-1) / y_pred.shape[-1]
        spread = ops.sum(ops.square(y_pred - centre[..., None]), axis=-1) / y_pred.shape[-1]
        count = ops.sum(ops.cast(real, y_pred.dtype), axis=-1)
        pull = ops.sum(ops.where(real, spread, 0.0), axis=-1) / ops.maximum(count, 1.0)
        return self.pull_weight * pull + self.push_weight * self._push(real, centre, count)

    def _push(self, real: Any, centre: Any, count: Any) -> Any:
        gap = ops.abs(centre[:, :, None] - centre[:, None, :])
        number = ops.arange(ops.shape(centre)[1])
        pairs = ops.logical_and(real[:, :, None], real[:, None, :])
        pairs = ops.logical_and(pairs, ops.not_equal(number[:, None], number[None, :]))
        near = ops.where(pairs, ops.maximum(self.margin - gap, 0.0), 0.0)
        return ops.sum(near, axis=(1, 2)) / ops.maximum(count * (count - 1.0), 1.0)
