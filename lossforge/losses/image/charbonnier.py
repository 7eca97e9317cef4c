"""Pixel differences, smooth at zero."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.ranges import Float


class Charbonnier(Loss):
    """The absolute difference, rounded off at zero: the usual loss of super-resolution.

        loss = mean_c sqrt((y_c - p_c)^2 + epsilon^2)          at least epsilon

    `epsilon` is squared, as in the paper; some libraries add it unsquared, so that their 1e-12 is
    1e-6 here.

    Reads: y_true, y_pred: (batch, ..., C) of one unit, such as images in [0, 1].
    Returns: (batch, ...), the mean over channels.
    Edges: an epsilon below 1e-18 times the unit vanishes in float32, hence the lower bound.
    Source: Lai et al. 2017, Deep Laplacian Pyramid Networks for Fast and Accurate
        Super-Resolution, section 3.3; Charbonnier et al. 1994, Two Deterministic Half-Quadratic
        Regularization Algorithms for Computed Imaging.

    >>> round(float(Charbonnier(epsilon=3.0)([[4.0]], [[0.0]])), 6)
    5.0

    Args:
        epsilon: below this difference the loss is a parabola; at least 1e-12.

    Raises:
        ValueError: for an epsilon out of range.
    """

    kinds = ("image",)
    source = "Lai et al. 2017, Deep Laplacian Pyramid Networks"
    minimum = None
    search = {"epsilon": Float(1e-4, 1e-1, log=True)}
    variants = ({}, {"epsilon": 0.1}, {"epsilon": 1e-12})

    def __init__(self, epsilon: float = 1e-3, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("Charbonnier", "epsilon", epsilon, 1e-12)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        difference = ops.cast(y_true, y_pred.dtype) - y_pred
        return mean_over_last_axis(ops.sqrt(ops.square(difference) + self.epsilon**2))
