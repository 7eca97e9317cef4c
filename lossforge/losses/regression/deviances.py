"""Deviances of amounts and counts: Poisson, gamma, inverse Gaussian and Tweedie's family."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import capped_exp, floored_log, targets_for
from lossforge.ranges import Float

FARTHEST_LOG_RATIO = 20.0
SMALLEST_AMOUNT = 1e-6


class Poisson(Loss):
    """Negative log-likelihood of counts, without the term of the count alone.

        loss = mean(rate - y_true log(rate))    over the last axis

    Reads: y_true: (batch, ..., D), counts; y_pred: (batch, ..., D), rates, or their logarithms.
    Returns: (batch, ...); its minimum at rate = y_true is y_true (1 - log y_true).
    Edges: a rate of 0 or less, NaN in Keras, is pulled back: the logarithm goes on along its
        tangent below 1e-7, and the first term is |rate|. Logarithms go on in the same way above 20.
    Source: Nelder and Wedderburn 1972, Generalized Linear Models.

    >>> float(Poisson(log_input=True)([[3.0]], [[0.0]]))
    1.0

    Args:
        log_input: predictions are logarithms of rates: stable, and the better choice.
    """

    kinds = ("counts",)
    source = "Nelder and Wedderburn 1972, Generalized Linear Models"
    minimum = None
    variants = ({}, {"log_input": True})

    def __init__(self, log_input: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.log_input = bool(log_input)

    @property
    def from_logits(self) -> bool:
        """Whether predictions are raw outputs, in the terms of the conformance kit."""
        return self.log_input

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = targets_for(y_true, y_pred)
        if self.log_input:
            return mean_over_last_axis(capped_exp(y_pred) - y_true * y_pred)
        return mean_over_last_axis(ops.abs(y_pred) - y_true * floored_log(y_pred))


class Tweedie(Loss):
    """Deviance of amounts whose variance grows as a power of their mean.

        power 0: squared error   1: Poisson   2: gamma   3: inverse Gaussian
        between 1 and 2: amounts that are often 0 and else continuous (rain, claims)

        u = log(rate / y),  E(a) = (exp(a u) - 1) / a,  E(0) = u
        loss = mean(2 y^(2 - p) (E(2 - p) - E(1 - p)))    over the last axis
             = 2 (y^(2-p) / ((1-p) (2-p)) - y rate^(1-p) / (1-p) + rate^(2-p) / (2-p)) elementwise

    Reads: y_true: (batch, ..., D), amounts >= 0; y_pred: (batch, ..., D), rates, or their logs.
    Returns: (batch, ...), 0 where equal.
    Edges: the first form has no poles at p = 1 and 2 and no cancellation. At y = 0 it is
        2 rate^(2-p) / (2-p); for p >= 2, where that has no value, y counts as 1e-6. It goes on
        along its tangent beyond |u| = 20, and rates below 1e-7 by the tangent of their logarithm.
    Source: Jørgensen 1987, Exponential Dispersion Models; Tweedie 1984, An index which
        distinguishes between some important exponential families.

    >>> round(float(Tweedie(power=2.0)([[1.0]], [[2.0]])), 4)
    0.3863

    Args:
        power: p, 0 or in [1, 3].
        log_input: predictions are logarithms of rates.
    """

    kinds = ("positive",)
    source = "Jørgensen 1987, Exponential Dispersion Models"
    search = {"power": Float(1.05, 1.95)}
    variants = (
        {},
        {"power": 0.0},
        {"power": 1.0, "log_input": True},
        {"power": 2.0},
        {"power": 3.0},
        {"log_input": True},
    )

    def __init__(self, power: float = 1.5, log_input: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.power = power if power == 0 else check_range("Tweedie", "power", power, 1.0, 3.0)
        self.log_input = bool(log_input)

    @property
    def from_logits(self) -> bool:
        """Whether predictions are raw outputs, in the terms of the conformance kit."""
        return self.log_input

    def call(self, y_true: Any, y_pred: Any) -> Any:
        p = float(self.power)
        y = targets_for(y_true, y_pred)
        log_rate = y_pred if self.log_input else floored_log(y_pred)
        if p >= 2.0:
            y, none = ops.maximum(y, SMALLEST_AMOUNT), ops.zeros_like(y) > 0
        else:
            none = y <= 0
        safe = ops.where(none, ops.ones_like(y), y)
        u = log_rate - ops.log(safe)
        loss = 2.0 * safe ** (2.0 - p) * _unit_deviance(u, p)
        if p < 2.0:
            loss = ops.where(none, 2.0 * capped_exp((2.0 - p) * log_rate, 40.0) / (2.0 - p), loss)
        return mean_over_last_axis(loss)


def _unit_deviance(u: Any, p: float) -> Any:
    """E(2 - p) - E(1 - p) at u, along its tangent beyond the farthest ratio."""

    def e(a: float) -> Any:
        return near if a == 0 else ops.expm1(a * near) / a

    near = ops.clip(u, -FARTHEST_LOG_RATIO, FARTHEST_LOG_RATIO)
    slope = ops.exp((2.0 - p) * near) - ops.exp((1.0 - p) * near)
    return e(2.0 - p) - e(1.0 - p) + ops.stop_gradient(slope) * (u - near)
