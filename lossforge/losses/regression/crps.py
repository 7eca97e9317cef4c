"""The continuous ranked probability score: the absolute error of a whole forecast distribution."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, mean_over_last_axis
from lossforge.losses.regression.differences import capped_exp, targets_beside
from lossforge.losses.regression.likelihoods import location_and_spread
from lossforge.ranges import Choice


class GaussianCRPS(Loss):
    """CRPS of a normal forecast, in the unit of the targets.

        m, s = y_pred,  sigma = exp(s / 2),  z = (y_true - m) / sigma
        loss = sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 2), mean and log-variance.
    Returns: (batch, ...), >= 0; towards |y_true - m| for a sharp forecast.
    Edges: for s -> -inf it is the absolute error, without overflow.
    Source: Gneiting et al. 2005, Calibrated Probabilistic Forecasting Using Ensemble Model Output
        Statistics and Minimum CRPS Estimation, equation 5.

    >>> round(float(GaussianCRPS()([0.0], [[0.0, 0.0]])), 4)
    0.2337
    """

    kinds = ("gaussian",)
    source = "Gneiting et al. 2005, Minimum CRPS Estimation"
    minimum = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d, s = location_and_spread(y_true, y_pred)
        sigma = capped_exp(0.5 * s)
        z = d * capped_exp(-0.5 * s)
        phi = ops.exp(-0.5 * ops.square(z)) / math.sqrt(2.0 * math.pi)
        spread = 2.0 * phi - 1.0 / math.sqrt(math.pi)
        return d * ops.erf(z / math.sqrt(2.0)) + sigma * spread


class EnsembleCRPS(Loss):
    """CRPS of an ensemble: close to the truth, and as spread out as one is unsure.

        loss = mean_i |x_i - y_true| - sum_ij |x_i - x_j| / (2 M^2),   x = y_pred
        fair: 2 M (M - 1) in the divisor

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., M), members in any order.
    Returns: (batch, ...), >= 0.
    Edges: the double sum is one sort, O(M log M). With one member it is the absolute error. The
        plain form favours ensembles that are too narrow; the fair one has its minimum where the
        members are draws from the truth.
    Source: Gneiting and Raftery 2007, Strictly Proper Scoring Rules, equation 21; Ferro 2014,
        Fair scores for ensemble forecasts.

    >>> float(EnsembleCRPS()([0.0], [[-1.0, 1.0]]))
    0.5

    Args:
        fair: corrects for the number of members.
    """

    kinds = ("ensemble",)
    source = "Gneiting and Raftery 2007, Strictly Proper Scoring Rules"
    search = {"fair": Choice((False, True))}
    variants = ({}, {"fair": True})

    def __init__(self, fair: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.fair = bool(fair)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        number = y_pred.shape[-1]
        error = mean_over_last_axis(ops.abs(y_pred - targets_beside(y_true, y_pred)))
        if number == 1:
            return error
        # Each gap between neighbours lies between k members below and M - k above.
        ordered = ops.sort(y_pred, axis=-1)
        below = ops.cast(ops.arange(1, number), y_pred.dtype)
        gaps = (ordered[..., 1:] - ordered[..., :-1]) * below * (number - below)
        pairs = number * (number - 1) if self.fair else number * number
        return error - ops.sum(gaps, axis=-1) / pairs
