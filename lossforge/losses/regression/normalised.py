"""Root, scaled and explained error: RMSE, NRMSE, MASE, R^2, PSNR; and the angle alone."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import (
    absolute_difference,
    by_example,
    difference,
    mean_of_each,
    safe_sqrt,
    targets_for,
)
from lossforge.ranges import Choice

SMALLEST_SPREAD = 1e-6


class RMSE(Loss):
    """Root of the mean squared error, in the unit of the targets.

        loss = sqrt(mean((y_pred - y_true)^2))    over the last axis

    Reads: y_true, y_pred: (batch, ..., D), one unit.
    Returns: (batch, ...).
    Edges: slope 0 where the two are equal. The root is taken per example, so the mean over a batch
        is not the root of the batch's mean.
    Source: Hyndman and Koehler 2006, Another look at measures of forecast accuracy.

    >>> float(RMSE()([[0.0, 0.0]], [[3.0, 3.0]]))
    3.0
    """

    kinds = ("regression",)
    source = "Hyndman and Koehler 2006, Another look at measures of forecast accuracy"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return safe_sqrt(mean_over_last_axis(ops.square(difference(y_true, y_pred))))


class NRMSE(Loss):
    """Root mean squared error over the spread of the targets, so that series compare.

        loss = sqrt(mean((y_pred - y_true)^2)) / spread    over the last axis
        spread = max - min, the standard deviation, or the mean absolute value of y_true

    Reads: y_true, y_pred: (batch, ..., T), a series or several outputs of one unit.
    Returns: (batch, ...).
    Edges: targets that do not spread by more than 1e-6 leave the error undivided.
    Source: Hyndman and Koehler 2006, Another look at measures of forecast accuracy.

    >>> float(NRMSE()([[0.0, 2.0]], [[1.0, 3.0]]))
    0.5

    Args:
        spread: "range", "deviation" or "mean".
    """

    kinds = ("regression",)
    source = "Hyndman and Koehler 2006, Another look at measures of forecast accuracy"
    search = {"spread": Choice(("range", "deviation", "mean"))}
    variants = ({}, {"spread": "deviation"}, {"spread": "mean"})

    def __init__(self, spread: str = "range", **base: Any) -> None:
        super().__init__(**base)
        if spread not in ("range", "deviation", "mean"):
            raise ValueError(
                f"NRMSE: spread must be 'range', 'deviation' or 'mean', got {spread!r}."
            )
        self.spread = spread

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = targets_for(y_true, y_pred)
        error = safe_sqrt(mean_over_last_axis(ops.square(y_pred - y_true)))
        return error / spread_or_one(self._spread(y_true))

    def _spread(self, y: Any) -> Any:
        if self.spread == "range":
            return ops.max(y, axis=-1) - ops.min(y, axis=-1)
        if self.spread == "mean":
            return mean_over_last_axis(ops.abs(y))
        centre = ops.expand_dims(mean_over_last_axis(y), axis=-1)
        return safe_sqrt(mean_over_last_axis(ops.square(y - centre)))


class MASE(Loss):
    """Mean absolute error over that of the naive forecast 'as one season ago'.

        naive = mean_t |y_true[t] - y_true[t - season]|,  or `scale`
        loss = mean_t |y_pred[t] - y_true[t]| / naive

    Reads: y_true, y_pred: (batch, ..., T), series of one unit, T > season.
    Returns: (batch, ...); below 1 is better than the naive forecast.
    Edges: targets that repeat to 1e-6 leave the error undivided. The paper takes the naive error
        over the training series: pass it as `scale`; without, the target's own series is used.
    Source: Hyndman and Koehler 2006, Another look at measures of forecast accuracy.

    >>> float(MASE()([[0.0, 2.0, 4.0]], [[1.0, 3.0, 5.0]]))
    0.5

    Args:
        season: steps in a season, >= 1.
        scale: the naive error in the training data, > 0; None takes it from the targets.
    """

    kinds = ("regression",)
    source = "Hyndman and Koehler 2006, Another look at measures of forecast accuracy"
    variants = ({}, {"season": 2}, {"scale": 0.5})

    def __init__(self, season: int = 1, scale: float | None = None, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(season, int) or season < 1:
            raise ValueError(f"MASE: season must be an integer of at least 1, got {season!r}.")
        self.season = season
        self.scale = None if scale is None else check_range("MASE", "scale", scale, 1e-12)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = targets_for(y_true, y_pred)
        error = mean_over_last_axis(absolute_difference(y_true, y_pred))
        if self.scale is not None:
            return error / self.scale
        if y_true.shape[-1] <= self.season:
            raise ValueError(
                f"MASE: series must be longer than season={self.season}, "
                f"got targets of shape {tuple(y_true.shape)}. Pass `scale` for short ones."
            )
        steps = ops.abs(y_true[..., self.season :] - y_true[..., : -self.season])
        return error / spread_or_one(mean_over_last_axis(steps))


class RSquared(Loss):
    """The share of the targets' variance that predictions leave unexplained: 1 - R^2.

        loss_i = mean_d (y_pred[i, d] - y_true[i, d])^2 / variance_d(y_true in the batch)

    Reads: y_true, y_pred: (batch, D).
    Returns: (batch,), whose mean is 1 - R^2 of the batch, outputs averaged.
    Edges: an output whose targets have a variance up to 1e-6 counts by its squared error.
    Source: Wright 1921, Correlation and Causation.

    >>> float(RSquared()([[0.0], [2.0]], [[1.0], [1.0]]))
    1.0
    """

    batch_coupled = True
    kinds = ("regression",)
    source = "Wright 1921, Correlation and Causation"

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        y_true = targets_for(y_true, y_pred)
        counts = ops.cast(align(counts, y_true), y_pred.dtype) * ops.ones_like(y_true)
        number = ops.maximum(ops.sum(counts, axis=0), 1.0)
        centre = ops.sum(counts * y_true, axis=0) / number
        variance = ops.sum(counts * ops.square(y_true - centre), axis=0) / number
        return mean_over_last_axis(ops.square(y_pred - y_true) / spread_or_one(variance))


class PSNR(Loss):
    """Minus the peak signal-to-noise ratio: squared error on a logarithmic scale.

        loss = 10 log10((mean((y_pred - y_true)^2) + epsilon) / max_value^2)   but the first axis

    Reads: y_true, y_pred: (batch, ...), images or signals in [0, max_value].
    Returns: (batch,), in decibel, negative; lower is better.
    Edges: without epsilon a perfect prediction is minus infinity, with an infinite slope nearby.
    Source: Huynh-Thu and Ghanbari 2008, Scope of validity of PSNR in image/video quality
        assessment.

    >>> round(float(PSNR()([[0.0, 0.0]], [[0.1, 0.1]])), 4)
    -20.0

    Args:
        max_value: the largest value of a signal, > 0.
        epsilon: added to the mean squared error, > 0.
    """

    kinds = ("regression",)
    source = "Huynh-Thu and Ghanbari 2008, Scope of validity of PSNR"
    minimum = None
    variants = ({}, {"max_value": 255.0, "epsilon": 1e-2})

    def __init__(self, max_value: float = 1.0, epsilon: float = 1e-8, **base: Any) -> None:
        super().__init__(**base)
        self.max_value = check_range("PSNR", "max_value", max_value, 1e-6)
        self.epsilon = check_range("PSNR", "epsilon", epsilon, 1e-12)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        error = mean_of_each(ops.square(by_example(difference(y_true, y_pred))))
        bels = ops.log(error + self.epsilon) - 2.0 * math.log(self.max_value)
        return 10.0 / math.log(10.0) * bels


class CosineSimilarity(Loss):
    """One minus the cosine of the angle between target and prediction.

        loss = 1 - <t, p> / (|t| |p|) = |t / |t| - p / |p||^2 / 2

    Reads: y_true, y_pred: (batch, ..., D), vectors.
    Returns: (batch, ...), in [0, 2]. Keras returns this minus 1.
    Edges: a vector of length 0 has cosine 0 with any, and no gradient, where Keras's is 1e7 and
        optax's NaN. The second form keeps small angles exact in float32.
    Source: Salton and McGill 1983, Introduction to Modern Information Retrieval.

    >>> float(CosineSimilarity()([[1.0, 0.0]], [[0.0, 5.0]]))
    1.0
    """

    kinds = ("regression",)
    source = "Salton and McGill 1983, Introduction to Modern Information Retrieval"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        a, has_a = self._direction(ops.cast(y_true, y_pred.dtype))
        b, has_b = self._direction(y_pred)
        distance = 0.5 * ops.sum(ops.square(a - b), axis=-1)
        return ops.where(ops.logical_and(has_a, has_b), distance, ops.ones_like(distance))

    @staticmethod
    def _direction(x: Any) -> tuple[Any, Any]:
        square = ops.sum(ops.square(x), axis=-1, keepdims=True)
        empty = ops.equal(square, 0.0)
        unit = x / ops.sqrt(ops.where(empty, ops.ones_like(square), square))
        return unit, ops.logical_not(empty)[..., 0]


def spread_or_one(spread: Any) -> Any:
    """A divisor that is 1 where the targets hardly spread."""
    return ops.where(spread > SMALLEST_SPREAD, spread, ops.ones_like(spread))
