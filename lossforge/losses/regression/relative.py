"""Errors relative to the size of the target: percentages, logarithms, norms."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import (
    absolute_difference,
    by_example,
    difference,
    safe_sqrt,
    targets_for,
)
from lossforge.ranges import Float


class MAPE(Loss):
    """Mean absolute percentage error, with a smallest target that keeps it finite.

        loss = 100 mean(|y_pred - y_true| / max(|y_true|, epsilon))    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...), in percent.
    Edges: Keras divides by 1e-7 at y_true = 0, so one zero among the targets is the whole loss;
        here a target below `epsilon` counts as one of that size.
    Source: Makridakis 1993, Accuracy measures: theoretical and practical concerns.

    >>> round(float(MAPE()([[2.0]], [[1.0]])), 4)
    50.0

    Args:
        epsilon: the smallest target that is told from zero, > 0, in the unit of the targets.
    """

    kinds = ("regression",)
    source = "Makridakis 1993, Accuracy measures"
    search = {"epsilon": Float(1e-3, 1.0, log=True)}
    variants = ({}, {"epsilon": 1.0})

    def __init__(self, epsilon: float = 1e-2, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("MAPE", "epsilon", epsilon, 1e-7)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        size = ops.maximum(ops.abs(targets_for(y_true, y_pred)), self.epsilon)
        return 100.0 * mean_over_last_axis(absolute_difference(y_true, y_pred) / size)


class SMAPE(Loss):
    """Symmetric mean absolute percentage error: bounded, and alike for both directions of ratio.

        loss = 100 mean(2 |y_pred - y_true| / max(|y_pred| + |y_true|, epsilon))

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...), the mean over the last axis, in percent, in [0, 200].
    Edges: 0 where both are 0; flat (200) where the signs differ.
    Source: Makridakis 1993, Accuracy measures: theoretical and practical concerns (in the form of
        the M3 and M4 competitions, with absolute values in the divisor).

    >>> round(float(SMAPE()([[3.0]], [[1.0]])), 4)
    100.0

    Args:
        epsilon: the smallest divisor, > 0, in the unit of the targets.
    """

    kinds = ("regression",)
    source = "Makridakis 1993, Accuracy measures"
    search = {"epsilon": Float(1e-3, 1.0, log=True)}
    variants = ({}, {"epsilon": 1.0})

    def __init__(self, epsilon: float = 1e-2, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("SMAPE", "epsilon", epsilon, 1e-7)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        size = ops.abs(targets_for(y_true, y_pred)) + ops.abs(y_pred)
        d = absolute_difference(y_true, y_pred)
        return 200.0 * mean_over_last_axis(d / ops.maximum(size, self.epsilon))


class MSLE(Loss):
    """Mean squared logarithmic error: ratios count, not differences.

        l(y) = log(1 + y) for y >= 0, else y
        loss = mean((l(y_pred) - l(y_true))^2)    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), counts or amounts of one unit, meant to be >= 0.
    Returns: (batch, ...).
    Edges: the paper's l is not defined for y <= -1, and Keras has no slope below 0; here l goes on
        along its tangent, so a negative prediction is pulled back.
    Source: Makridakis 1993, Accuracy measures (as the RMSLE of forecasting competitions, squared).

    >>> round(float(MSLE()([[0.0]], [[1.0]])), 4)
    0.4805
    """

    kinds = ("regression", "positive")
    source = "Makridakis 1993, Accuracy measures"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = self._log(y_pred) - self._log(targets_for(y_true, y_pred))
        return mean_over_last_axis(ops.square(d))

    @staticmethod
    def _log(y: Any) -> Any:
        return ops.log1p(ops.maximum(y, 0.0)) + ops.minimum(y, 0.0)


class RelativeL2(Loss):
    """Size of the error over the size of the target: the loss of operator learning.

        loss = |y_pred - y_true|_2 / max(|y_true|_2, epsilon)    over all axes but the first

    Reads: y_true, y_pred: (batch, ...), one field an example.
    Returns: (batch,).
    Edges: slope 0 where the two are equal.
    Source: Li et al. 2021, Fourier Neural Operator for Parametric Partial Differential Equations.

    >>> float(RelativeL2()([[3.0, 4.0]], [[0.0, 0.0]]))
    1.0

    Args:
        epsilon: the smallest norm of a target, > 0.
    """

    kinds = ("regression",)
    source = "Li et al. 2021, Fourier Neural Operator"
    variants = ({}, {"epsilon": 2.0})

    def __init__(self, epsilon: float = 1e-6, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("RelativeL2", "epsilon", epsilon, 1e-12)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        norm = lambda x: safe_sqrt(ops.sum(ops.square(by_example(x)), axis=-1))  # noqa: E731
        size = norm(targets_for(y_true, y_pred))
        return norm(difference(y_true, y_pred)) / ops.maximum(size, self.epsilon)
