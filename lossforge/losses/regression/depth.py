"""Depth maps: errors up to scale, and smoothness where the image is smooth."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.regression.differences import (
    by_example,
    floored_log,
    mean_of_each,
    safe_sqrt,
    targets_for,
)
from lossforge.ranges import Choice, Float


class SILog(Loss):
    """Error of log depth that forgives, in part or all, a wrong scale of the whole map.

        g = log y_pred - log y_true,  over the n elements of an example with y_true > 0
        loss = mean(g^2) - focus mean(g)^2 = variance(g) + (1 - focus) mean(g)^2

    Reads: y_true: (batch, ...), depths, 0 where there is none; y_pred: the same, or log-depths.
    Returns: (batch,); 0 for an example without any depth.
    Edges: the second form cannot be negative by rounding. Predictions below 1e-7 go on along the
        tangent of the logarithm. The root has slope 0 where the loss is 0.
    Source: Eigen et al. 2014, Depth Map Prediction from a Single Image using a Multi-Scale Deep
        Network, equation 4.

    >>> round(float(SILog(focus=1.0)([[1.0, 2.0, 4.0]], [[2.0, 4.0, 8.0]])), 4)
    0.0

    Args:
        focus: share of the scale error that is forgiven, in [0, 1]; the paper's 0.5.
        root: the square root of it, as later networks use.
        log_input: predictions are log-depths.
    """

    kinds = ("positive",)
    source = "Eigen et al. 2014, Depth Map Prediction from a Single Image"
    search = {"focus": Float(0.0, 1.0), "root": Choice((False, True))}
    variants = (
        {},
        {"focus": 0.0},
        {"focus": 1.0},
        {"focus": 0.85, "root": True},
        {"log_input": True},
    )

    def __init__(
        self, focus: float = 0.5, root: bool = False, log_input: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.focus = check_range("SILog", "focus", focus, 0.0, 1.0)
        self.root = bool(root)
        self.log_input = bool(log_input)

    @property
    def from_logits(self) -> bool:
        """Whether predictions are raw outputs, in the terms of the conformance kit."""
        return self.log_input

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = by_example(targets_for(y_true, y_pred))
        y_pred = by_example(y_pred)
        known = y_true > 0
        log_depth = ops.log(ops.where(known, y_true, 1.0))
        log_guess = ops.where(known, y_pred, 0.0 if self.log_input else 1.0)
        g = (log_guess if self.log_input else floored_log(log_guess)) - log_depth
        known = ops.cast(known, y_pred.dtype)
        number = ops.maximum(ops.sum(known, axis=-1), 1.0)
        mean = ops.sum(g, axis=-1) / number
        spread = ops.sum(known * ops.square(g - ops.expand_dims(mean, -1)), axis=-1) / number
        loss = spread + (1.0 - self.focus) * ops.square(mean)
        return safe_sqrt(loss) if self.root else loss


class DepthSmoothness(Loss):
    """Inverse depth that changes only where the image does.

        d = y_pred / mean(y_pred) of each map, or y_pred
        loss = mean(|dx d| exp(-mean_c |dx image|)) + mean(|dy d| exp(-mean_c |dy image|))

    Reads: y_true: (batch, H, W, C), the images, in [0, 1]; y_pred: (batch, H, W, 1), inverse depth.
    Returns: (batch,); 0 for a constant map.
    Edges: without the division by the mean, a map shrinks to nothing to be smooth.
    Source: Godard et al. 2017, Unsupervised Monocular Depth Estimation with Left-Right
        Consistency; the division by the mean as in Wang et al. 2018, Learning Depth from
        Monocular Videos using Direct Methods.

    >>> import numpy as np
    >>> float(DepthSmoothness()(np.zeros((1, 4, 4, 3)), np.ones((1, 4, 4, 1))))
    0.0

    Args:
        normalise: divide each map by its mean.
    """

    kinds = ("disparity",)
    source = "Godard et al. 2017, Unsupervised Monocular Depth Estimation"
    search = {"normalise": Choice((True, False))}
    variants = ({}, {"normalise": False})

    def __init__(self, normalise: bool = True, **base: Any) -> None:
        super().__init__(**base)
        self.normalise = bool(normalise)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        image = ops.cast(y_true, y_pred.dtype)
        if self.normalise:
            mean = mean_of_each(by_example(y_pred))
            mean = ops.where(ops.abs(mean) < 1e-7, ops.ones_like(mean), mean)
            y_pred = y_pred / ops.reshape(mean, (-1, 1, 1, 1))
        down = self._changes(ops.swapaxes(image, 1, 2), ops.swapaxes(y_pred, 1, 2))
        return self._changes(image, y_pred) + down

    @staticmethod
    def _changes(image: Any, depth: Any) -> Any:
        """The mean of |dx depth| exp(-|dx image|) of each map."""
        edge = ops.abs(image[:, :, 1:] - image[:, :, :-1])
        edge = ops.sum(edge, axis=-1, keepdims=True) / image.shape[-1]
        change = ops.abs(depth[:, :, 1:] - depth[:, :, :-1])
        return mean_of_each(by_example(change * ops.exp(-edge)))
