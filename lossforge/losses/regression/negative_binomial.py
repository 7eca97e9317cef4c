"""Counts that vary more than a Poisson's, and counts with too many zeros."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.regression.differences import one_target
from lossforge.losses.regression.log_gamma import log_gamma, log_gamma_ratio

LARGEST_LOG_SIZE = 20.0
SMALLEST_SIZE = 1e-8


class NegativeBinomial(Loss):
    """Negative log-likelihood of over-dispersed counts, with predicted mean and size.

        m, r = exp(y_pred),  variance = m + m^2 / r
        loss = log G(r) + log(y!) - log G(y + r) + r log(1 + m / r) + y log(1 + r / m)

    Reads: y_true: (batch, ...) or (batch, ..., 1), counts; y_pred: (batch, ..., 2), log-mean and
        log-size.
    Returns: (batch, ...), in nats, >= 0.
    Edges: all in logarithms, so no mean or size overflows; a log-size above 20 is a Poisson and
        has no slope.
    Source: Lawless 1987, Negative binomial and mixed Poisson regression.

    >>> round(float(NegativeBinomial()([0.0], [[0.0, 0.0]])), 4)
    0.6931
    """

    kinds = ("negative_binomial",)
    source = "Lawless 1987, Negative binomial and mixed Poisson regression"
    minimum = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        _check_parameters("NegativeBinomial", y_pred, 2)
        return -log_negative_binomial(one_target(y_true, y_pred), y_pred[..., 0], y_pred[..., 1])


class ZeroInflatedNegativeBinomial(Loss):
    """Negative binomial counts some of which are zero for another reason (ZINB).

        q = sigmoid(y_pred[2]),  NB = the negative binomial of y_pred[0], y_pred[1]
        loss = -log(q + (1 - q) NB(0)) where y_true = 0, else -log((1 - q) NB(y_true))

    Reads: y_true: (batch, ...) or (batch, ..., 1), counts; y_pred: (batch, ..., 3), log-mean,
        log-size and the logit of a zero for another reason.
    Returns: (batch, ...), in nats, >= 0.
    Edges: all in logarithms; at a logit of minus infinity it is NegativeBinomial.
    Source: Eraslan et al. 2019, Single-cell RNA-seq denoising using a deep count autoencoder.

    >>> round(float(ZeroInflatedNegativeBinomial()([0.0], [[0.0, 0.0, 0.0]])), 4)
    0.2877
    """

    kinds = ("zero_inflated",)
    source = "Eraslan et al. 2019, Single-cell RNA-seq denoising using a deep count autoencoder"
    minimum = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        _check_parameters("ZeroInflatedNegativeBinomial", y_pred, 3)
        y, logit = one_target(y_true, y_pred), y_pred[..., 2]
        counted = log_negative_binomial(y, y_pred[..., 0], y_pred[..., 1]) - ops.softplus(logit)
        other = -ops.softplus(-logit)
        either = other + ops.softplus(counted - other)  # log(exp(other) + exp(counted))
        return -ops.where(y == 0, either, counted)


def log_negative_binomial(y: Any, log_mean: Any, log_size: Any) -> Any:
    """The logarithm of the probability of a count."""
    log_size = ops.minimum(log_size, LARGEST_LOG_SIZE)
    size = ops.maximum(ops.exp(log_size), SMALLEST_SIZE)
    # Towards size 0 the ratio of gamma functions falls as log(size) for every count but 0.
    rest = ops.minimum(log_size - math.log(SMALLEST_SIZE), 0.0)
    ways = log_gamma_ratio(size, y) + ops.where(y > 0, rest, ops.zeros_like(rest))
    shares = size * ops.softplus(log_mean - log_size) + y * ops.softplus(log_size - log_mean)
    return ways - log_gamma(y + 1.0) - shares


def _check_parameters(loss: str, y_pred: Any, number: int) -> None:
    if y_pred.shape[-1] != number:
        raise ValueError(f"{loss}: predictions must be (..., {number}), got {tuple(y_pred.shape)}.")
