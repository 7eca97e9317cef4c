"""Barron's family of robust losses, and two that it does not contain: Tukey's and Fair's."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import absolute_difference, difference
from lossforge.ranges import Float


class Barron(Loss):
    """One robust loss with a dial for how little outliers count.

        alpha 2: squared error   1: Charbonnier (pseudo-Huber)   0: Cauchy (Lorentzian)
        alpha -2: Geman-McClure  -inf: Welsch (Leclerc)

        u = (y_pred - y_true)^2 / scale^2,  b = |alpha - 2|
        loss = mean(b / alpha ((u / b + 1)^(alpha / 2) - 1))    over the last axis
        limits: u / 2 at 2,  log(u / 2 + 1) at 0,  1 - exp(-u / 2) at -inf

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...); u / 2 near 0 for every alpha.
    Edges: computed as expm1 of a log1p, which has no pole next to alpha = 0. Below alpha = 1 the
        slope falls again for far errors, and is 0 in the end.
    Source: Barron 2019, A General and Adaptive Robust Loss Function, equation 8.

    >>> round(float(Barron(alpha=0.0)([[0.0]], [[2.0]])), 4)
    1.0986

    Args:
        alpha: at most 2; minus infinity is allowed.
        scale: where the quadratic part ends, > 0, in the unit of the targets.
    """

    kinds = ("regression",)
    source = "Barron 2019, A General and Adaptive Robust Loss Function"
    search = {"alpha": Float(-2.0, 2.0), "scale": Float(0.02, 5.0, log=True)}
    variants = (
        {},
        {"alpha": 2.0, "scale": 0.5},
        {"alpha": 0.0},
        {"alpha": 1e-5},
        {"alpha": 1.9999},
        {"alpha": -2.0, "scale": 2.0},
        {"alpha": -math.inf},
    )

    def __init__(self, alpha: float = 1.0, scale: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.alpha = check_range("Barron", "alpha", alpha, -math.inf, 2.0)
        self.scale = check_range("Barron", "scale", scale, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        u = ops.square(difference(y_true, y_pred) / self.scale)
        return mean_over_last_axis(self._of_square(u))

    def _of_square(self, u: Any) -> Any:
        if self.alpha == 2.0:
            return 0.5 * u
        if self.alpha == -math.inf:
            return -ops.expm1(-0.5 * u)
        b = 2.0 - self.alpha
        logarithm = ops.log1p(u / b)
        if self.alpha == 0.0:
            return 0.5 * b * logarithm
        return b / self.alpha * ops.expm1(0.5 * self.alpha * logarithm)


class Tukey(Loss):
    """Tukey's biweight: squared error near zero, and outliers that do not count at all.

        d = |y_pred - y_true|
        loss = mean(c^2 / 6 (1 - (1 - (d / c)^2)^3) where d < c, else c^2 / 6)    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...), at most c^2 / 6.
    Edges: no gradient beyond c, by definition: start from predictions that are near, or from a
        large c. The paper divides errors by 1.4826 times their median absolute deviation first.
    Source: Belagiannis et al. 2015, Robust Optimization for Deep Regression, equation 4.

    >>> float(Tukey(c=3.0)([[0.0]], [[4.0]]))
    1.5

    Args:
        c: where outliers begin, > 0, in the unit of the targets; 4.685 deviations are 95%
            efficient for normal errors.
    """

    kinds = ("regression",)
    source = "Belagiannis et al. 2015, Robust Optimization for Deep Regression"
    search = {"c": Float(0.5, 10.0, log=True)}
    variants = ({}, {"c": 1.0})

    def __init__(self, c: float = 4.685, **base: Any) -> None:
        super().__init__(**base)
        self.c = check_range("Tukey", "c", c, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        # 1 - (1 - u)^3, without the cancellation of small u.
        u = ops.square(ops.minimum(absolute_difference(y_true, y_pred), self.c) / self.c)
        return self.c**2 / 6.0 * mean_over_last_axis(u * (3.0 - u * (3.0 - u)))


class Fair(Loss):
    """Absolute error that is smooth at zero, with all derivatives continuous.

        d = |y_pred - y_true|
        loss = mean(c^2 (d / c - log(1 + d / c)))    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...); d^2 / 2 near 0, slope c far away.
    Edges: below d / c = 0.001, where the two terms cancel, the first terms of the series.
    Source: Fair 1974, On the Robust Estimation of Econometric Models.

    >>> round(float(Fair(c=1.0)([[0.0]], [[1.0]])), 4)
    0.3069

    Args:
        c: > 0, in the unit of the targets; 1.3998 deviations are 95% efficient for normal errors.
    """

    kinds = ("regression",)
    source = "Fair 1974, On the Robust Estimation of Econometric Models"
    search = {"c": Float(0.1, 10.0, log=True)}
    variants = ({}, {"c": 0.2})

    def __init__(self, c: float = 1.3998, **base: Any) -> None:
        super().__init__(**base)
        self.c = check_range("Fair", "c", c, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        u = absolute_difference(y_true, y_pred) / self.c
        small = u < 1e-3
        series = ops.square(u) * (0.5 - u / 3.0 + ops.square(u) / 4.0)
        return self.c**2 * mean_over_last_axis(ops.where(small, series, u - ops.log1p(u)))
