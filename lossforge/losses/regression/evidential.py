"""Evidential regression: a distribution over means and variances, in one forward pass."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.regression.differences import one_target
from lossforge.losses.regression.log_gamma import log_gamma_ratio
from lossforge.ranges import Float

SMALLEST_EVIDENCE = 1e-6


class Evidential(Loss):
    """Deep evidential regression: likelihood under a predicted normal-inverse-gamma prior.

        nu, beta = softplus(raw),  alpha = 1 + softplus(raw),  omega = 2 beta (1 + nu)
        d = y_true - gamma
        nll = log(pi / nu) / 2 - alpha log(omega) + (alpha + 1/2) log(d^2 nu + omega)
              + log G(alpha) - log G(alpha + 1/2)
        loss = nll + weight |d| (2 nu + alpha)

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 4), gamma and the raw nu,
        alpha and beta, as a linear layer gives them (`evidential_parameters` reads them).
    Returns: (batch, ...), in nats; unbounded below.
    Edges: nu and beta are kept at 1e-6 or more. The prediction is gamma, its aleatoric variance
        beta / (alpha - 1), its epistemic one that over nu.
    Source: Amini et al. 2020, Deep Evidential Regression, equations 8 to 10 (|d| as in equation 9).

    >>> round(float(Evidential(weight=0.0)([0.0], [[0.0, 0.0, 0.0, 0.0]])), 4)
    0.9918

    Args:
        weight: of the evidence that a wrong prediction claims, >= 0; the authors' 0.01.
    """

    kinds = ("evidential",)
    source = "Amini et al. 2020, Deep Evidential Regression"
    minimum = None
    search = {"weight": Float(1e-3, 1.0, log=True)}
    variants = ({}, {"weight": 0.5})

    def __init__(self, weight: float = 0.01, **base: Any) -> None:
        super().__init__(**base)
        self.weight = check_range("Evidential", "weight", weight, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        gamma, nu, alpha, beta = evidential_parameters(y_pred)
        d = one_target(y_true, y_pred) - gamma
        omega = 2.0 * beta * (1.0 + nu)
        spread = ops.square(d) * nu
        nll = 0.5 * (math.log(math.pi) - ops.log(nu) + ops.log(spread + omega))
        nll = nll + alpha * ops.log1p(spread / omega) - log_gamma_ratio(alpha, 0.5)
        return nll + self.weight * ops.abs(d) * (2.0 * nu + alpha)


def evidential_parameters(y_pred: Any) -> tuple[Any, Any, Any, Any]:
    """gamma, nu > 0, alpha > 1 and beta > 0 from the raw outputs (..., 4) of a linear layer."""
    if y_pred.shape[-1] != 4:
        raise ValueError(
            f"Evidential: predictions must be (..., 4): gamma and the raw nu, alpha and beta, "
            f"got {tuple(y_pred.shape)}."
        )
    positive = ops.softplus(y_pred[..., 1:]) + SMALLEST_EVIDENCE
    return y_pred[..., 0], positive[..., 0], 1.0 + positive[..., 1], positive[..., 2]
