"""A number as a distribution over bins: the head of modern box detectors."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.classification import log_probabilities as logp


class DistributionFocal(Loss):
    """Probability on the two bins next to the target, so that the mean of the bins is the target.

        i = floor(y), loss = -(i + 1 - y) log p_i - (y - i) log p_(i + 1)

    Reads: y_true: (batch, ..., N) in [0, bins - 1], in bins; y_pred: (batch, ..., N, bins)
        probabilities, or logits with `from_logits=True`.
    Returns: (batch, ..., N), one value a number, such as a side of a box.
    Edges: the last bin is reached without reading past it; targets outside count as the nearest
        end, which gives them the gradient of that end.
    Source: Li et al. 2020, Generalized Focal Loss: Learning Qualified and Distributed Bounding
        Boxes for Dense Object Detection, equation 6.

    >>> round(float(DistributionFocal()([[0.5]], [[[0.5, 0.5, 0.0]]])), 4)
    0.6931

    Args:
        from_logits: whether predictions are logits.
    """

    kinds = ("binned",)
    source = "Li et al. 2020, Generalized Focal Loss"
    minimum = None
    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        bins = y_pred.shape[-1]
        y = ops.clip(ops.cast(y_true, y_pred.dtype), 0.0, bins - 1.0)
        left = ops.cast(ops.clip(ops.floor(y), 0.0, max(bins - 2.0, 0.0)), "int32")
        log_p = logp.log_softmax(y_pred, self.from_logits)
        share = y - ops.cast(left, y.dtype)
        right = ops.minimum(left + 1, bins - 1)
        pick = lambda i: ops.squeeze(ops.take_along_axis(log_p, i[..., None], -1), -1)  # noqa: E731
        return -(1.0 - share) * pick(left) - share * pick(right)
