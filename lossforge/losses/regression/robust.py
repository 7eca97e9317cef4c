"""Differences that outliers do not dominate: smooth L1, Huber, balanced L1."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import absolute_difference
from lossforge.ranges import Float


class SmoothL1(Loss):
    """Absolute error, rounded off near zero: the classic loss of box offsets.

        d = |y_pred - y_true|
        loss = mean(d^2 / (2 beta) where d < beta, else d - beta / 2)    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...).
    Edges: equals Huber(beta) / beta; slope 1 far away, whatever beta.
    Source: Girshick 2015, Fast R-CNN, equation 3 (beta: common generalisation).

    >>> float(SmoothL1()([[0.0]], [[2.0]]))
    1.5

    Args:
        beta: where the quadratic part ends, > 0, in the unit of the targets.
    """

    kinds = ("regression",)
    source = "Girshick 2015, Fast R-CNN"
    search = {"beta": Float(0.02, 2.0, log=True)}
    variants = ({}, {"beta": 0.1})

    def __init__(self, beta: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.beta = check_range("SmoothL1", "beta", beta, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = absolute_difference(y_true, y_pred)
        near = ops.minimum(d, self.beta)
        return mean_over_last_axis(near * near / (2.0 * self.beta) + (d - near))


class Huber(Loss):
    """Squared error that turns linear for outliers.

        d = |y_pred - y_true|
        loss = mean(d^2 / 2 where d < delta, else delta (d - delta / 2))    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...).
    Source: Huber 1964, Robust Estimation of a Location Parameter.

    >>> float(Huber()([[0.0]], [[2.0]]))
    1.5

    Args:
        delta: where the linear part begins, > 0, in the unit of the targets.
    """

    kinds = ("regression",)
    source = "Huber 1964, Robust Estimation of a Location Parameter"
    search = {"delta": Float(0.02, 5.0, log=True)}
    variants = ({}, {"delta": 0.1})

    def __init__(self, delta: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.delta = check_range("Huber", "delta", delta, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = absolute_difference(y_true, y_pred)
        near = ops.minimum(d, self.delta)
        return mean_over_last_axis(0.5 * near * near + self.delta * (d - near))


class BalancedL1(Loss):
    """Smooth L1 with more gradient for inliers, a little for outliers.

        d = |y_pred - y_true|,  b = exp(gamma / alpha) - 1
        d < beta    alpha / b (b d / beta + 1) log(b d / beta + 1) * beta - alpha d
        else        gamma d + gamma beta / b - alpha beta              mean over the last axis

    The slope is alpha log(b d / beta + 1) up to beta and gamma beyond; the pieces meet.

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...).
    Source: Pang et al. 2019, Libra R-CNN: Towards Balanced Learning for Object Detection,
        equations 5 to 9 (beta as in the authors' code).

    >>> float(BalancedL1()([[1.0]], [[1.0]]))
    0.0

    Args:
        alpha: gradient of inliers, > 0; smaller promotes them more. The paper's 0.5.
        gamma: slope of outliers, > 0; the paper's 1.5.
        beta: where outliers begin, > 0, in the unit of the targets.
    """

    kinds = ("regression",)
    source = "Pang et al. 2019, Libra R-CNN"
    search = {
        "alpha": Float(0.2, 1.0),
        "gamma": Float(0.5, 3.0),
        "beta": Float(0.05, 2.0, log=True),
    }
    variants = ({}, {"beta": 0.2})

    def __init__(
        self, alpha: float = 0.5, gamma: float = 1.5, beta: float = 1.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("BalancedL1", "alpha", alpha, 1e-2)
        self.gamma = check_range("BalancedL1", "gamma", gamma, 0.0, 50.0 * self.alpha)
        self.beta = check_range("BalancedL1", "beta", beta, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = absolute_difference(y_true, y_pred)
        b = math.exp(self.gamma / self.alpha) - 1.0
        near = ops.minimum(d, self.beta)
        u = b * near / self.beta
        inlier = self.alpha * self.beta / b * (u + 1.0) * ops.log1p(u) - self.alpha * near
        return mean_over_last_axis(inlier + self.gamma * (d - near))
