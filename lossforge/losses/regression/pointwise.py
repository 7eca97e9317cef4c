"""Errors averaged over the outputs: squared, absolute, and log-cosh between the two."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, mean_over_last_axis
from lossforge.losses.regression.differences import absolute_difference, difference


class MSE(Loss):
    """Mean squared error: its minimiser is the conditional mean.

        loss = mean((y_pred - y_true)^2)    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...).
    Edges: half-precision predictions are squared in float32, where an error of 400 is no overflow.
    Source: Gauss 1809, Theoria motus corporum coelestium.

    >>> float(MSE()([[0.0, 0.0]], [[1.0, 3.0]]))
    5.0
    """

    kinds = ("regression",)
    source = "Gauss 1809, Theoria motus corporum coelestium"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return mean_over_last_axis(ops.square(difference(y_true, y_pred)))


class MAE(Loss):
    """Mean absolute error: its minimiser is the conditional median.

        loss = mean(|y_pred - y_true|)    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...).
    Edges: slope 0 where the two are equal.
    Source: Laplace 1774, Mémoire sur la probabilité des causes par les événements.

    >>> float(MAE()([[0.0, 0.0]], [[1.0, 3.0]]))
    2.0
    """

    kinds = ("regression",)
    source = "Laplace 1774, Mémoire sur la probabilité des causes par les événements"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return mean_over_last_axis(absolute_difference(y_true, y_pred))


class LogCosh(Loss):
    """Squared error near zero, absolute error far away, smooth in all derivatives.

        d = |y_pred - y_true|
        loss = mean(log cosh d) = mean(d + softplus(-2 d) - log 2)    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...).
    Edges: linear in far errors, where cosh itself overflows.
    Source: Green 1990, Bayesian Reconstructions from Emission Tomography Data.

    >>> round(float(LogCosh()([[0.0]], [[1.0]])), 4)
    0.4338
    """

    kinds = ("regression",)
    source = "Green 1990, Bayesian Reconstructions from Emission Tomography Data"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = absolute_difference(y_true, y_pred)
        return mean_over_last_axis(d + ops.softplus(-2.0 * d) - math.log(2.0))
