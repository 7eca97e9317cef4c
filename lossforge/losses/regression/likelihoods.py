"""Negative log-likelihoods of a location and a spread that are both predicted."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.regression.differences import capped_exp, one_target
from lossforge.ranges import Float

LOG_TWO_PI = math.log(2.0 * math.pi)


class GaussianNLL(Loss):
    """Negative log-likelihood of a normal distribution whose mean and variance are predicted.

        m, s = y_pred,  s = log variance
        loss = (s + (y_true - m)^2 exp(-s) + log(2 pi)) / 2

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 2), mean and log-variance,
        both as a linear layer gives them.
    Returns: (batch, ...), in nats; unbounded below.
    Edges: exp(-s) goes on along its tangent for s < -20, so a variance that collapses is pulled
        back and nothing overflows; no epsilon is added to the variance.
    Source: Nix and Weigend 1994, Estimating the mean and variance of the target probability
        distribution.

    >>> round(float(GaussianNLL()([1.0], [[0.0, 0.0]])), 4)
    1.4189
    """

    kinds = ("gaussian",)
    source = "Nix and Weigend 1994, Estimating the mean and variance of the target distribution"
    minimum = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d, s = location_and_spread(y_true, y_pred)
        return 0.5 * (s + ops.square(d) * capped_exp(-s) + LOG_TWO_PI)


class BetaNLL(Loss):
    """Gaussian likelihood that does not give up on examples of high variance.

    Under the plain likelihood the gradient of the mean is divided by the predicted variance, so an
    example that is fitted badly is declared noise and left alone. Here its weight is given back.

        m, s = y_pred,  s = log variance
        loss = exp(beta s) (s + (y_true - m)^2 exp(-s)) / 2,   exp(beta s) held constant

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 2), mean and log-variance.
    Returns: (batch, ...).
    Edges: beta = 0 is GaussianNLL without its constant; the mean's gradient at beta = 1 is that of
        the squared error. exp goes on along its tangent beyond 20.
    Source: Seitzer et al. 2022, On the Pitfalls of Heteroscedastic Uncertainty Estimation with
        Probabilistic Neural Networks, equation 4.

    >>> float(BetaNLL()([1.0], [[0.0, 0.0]]))
    0.5

    Args:
        beta: in [0, 1]; the paper's 0.5.
    """

    detached = True
    kinds = ("gaussian",)
    source = "Seitzer et al. 2022, On the Pitfalls of Heteroscedastic Uncertainty Estimation"
    minimum = None
    search = {"beta": Float(0.0, 1.0)}
    variants = ({}, {"beta": 0.0})

    def __init__(self, beta: float = 0.5, **base: Any) -> None:
        super().__init__(**base)
        self.beta = check_range("BetaNLL", "beta", beta, 0.0, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d, s = location_and_spread(y_true, y_pred)
        weight = ops.stop_gradient(capped_exp(self.beta * s))
        return 0.5 * weight * (s + ops.square(d) * capped_exp(-s))


class LaplaceNLL(Loss):
    """Negative log-likelihood of a Laplace distribution: absolute error with a predicted scale.

        m, s = y_pred,  s = log scale
        loss = log 2 + s + |y_true - m| exp(-s)

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 2), median and log-scale.
    Returns: (batch, ...), in nats; unbounded below.
    Edges: exp(-s) goes on along its tangent for s < -20.
    Source: Kendall and Gal 2017, What Uncertainties Do We Need in Bayesian Deep Learning for
        Computer Vision? (the L1 form of equation 5).

    >>> round(float(LaplaceNLL()([1.0], [[0.0, 0.0]])), 4)
    1.6931
    """

    kinds = ("gaussian",)
    source = "Kendall and Gal 2017, What Uncertainties Do We Need in Bayesian Deep Learning"
    minimum = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d, s = location_and_spread(y_true, y_pred)
        return math.log(2.0) + s + ops.abs(d) * capped_exp(-s)


class AsymmetricLaplaceNLL(Loss):
    """Quantile regression as a likelihood, with a predicted scale.

        m, s = y_pred,  s = log scale,  d = y_true - m
        loss = s - log(tau (1 - tau)) + max(tau d, (tau - 1) d) exp(-s)

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 2), quantile and log-scale.
    Returns: (batch, ...), in nats; unbounded below.
    Edges: exp(-s) goes on along its tangent for s < -20.
    Source: Yu and Moyeed 2001, Bayesian quantile regression.

    >>> round(float(AsymmetricLaplaceNLL()([2.0], [[0.0, 0.0]])), 4)
    2.3863

    Args:
        quantile: tau, in (0, 1).
    """

    kinds = ("gaussian",)
    source = "Yu and Moyeed 2001, Bayesian quantile regression"
    minimum = None
    search = {"quantile": Float(0.05, 0.95)}
    variants = ({}, {"quantile": 0.9})

    def __init__(self, quantile: float = 0.5, **base: Any) -> None:
        super().__init__(**base)
        self.quantile = check_range("AsymmetricLaplaceNLL", "quantile", quantile, 1e-6, 1.0 - 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d, s = location_and_spread(y_true, y_pred)
        tau = self.quantile
        pinball = ops.maximum(-tau * d, (1.0 - tau) * d)
        return s - math.log(tau * (1.0 - tau)) + pinball * capped_exp(-s)


class StudentNLL(Loss):
    """Negative log-likelihood of Student's t: a predicted spread that outliers do not inflate.

        m, s = y_pred,  s = log scale,  z = (y_true - m) exp(-s)
        loss = s + (df + 1) / 2 log(1 + z^2 / df) + log(sqrt(df pi) G(df / 2) / G((df + 1) / 2))

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 2), location and log-scale.
    Returns: (batch, ...), in nats; unbounded below.
    Edges: computed as softplus of log(z^2 / df), so no scale overflows; df = 1 is Cauchy's
        distribution, a large df the normal one.
    Source: Lange, Little and Taylor 1989, Robust Statistical Modeling Using the t Distribution.

    >>> round(float(StudentNLL(df=1.0)([0.0], [[0.0, 0.0]])), 4)
    1.1447

    Args:
        df: degrees of freedom, > 0.
    """

    kinds = ("gaussian",)
    source = "Lange, Little and Taylor 1989, Robust Statistical Modeling Using the t Distribution"
    minimum = None
    search = {"df": Float(1.0, 30.0, log=True)}
    variants = ({}, {"df": 1.0}, {"df": 30.0})

    def __init__(self, df: float = 4.0, **base: Any) -> None:
        super().__init__(**base)
        self.df = check_range("StudentNLL", "df", df, 1e-2, 1e6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d, s = location_and_spread(y_true, y_pred)
        half = 0.5 * (self.df + 1.0)
        constant = math.lgamma(0.5 * self.df) - math.lgamma(half)
        constant += 0.5 * math.log(self.df * math.pi)
        log_ratio = ops.log(ops.square(d) + 1e-30) - 2.0 * s - math.log(self.df)
        return constant + s + half * ops.softplus(log_ratio)


class MixtureNLL(Loss):
    """Negative log-likelihood of a mixture of normal distributions: the mixture density network.

        w, m, s = K logits, K means, K log-scales
        loss = -log sum_k softmax(w)_k normal(y_true; m_k, exp(s_k))

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., 3 K), as a linear layer
        gives them.
    Returns: (batch, ...), in nats; unbounded below.
    Edges: in log space; exp(-2 s) goes on along its tangent for s < -10, so a component that sits
        on one target cannot make the rest overflow.
    Source: Bishop 1994, Mixture Density Networks.

    >>> round(float(MixtureNLL()([1.0], [[0.0, 0.0, 0.0]])), 4)
    1.4189
    """

    kinds = ("mixture",)
    source = "Bishop 1994, Mixture Density Networks"
    minimum = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if y_pred.shape[-1] % 3:
            raise ValueError(
                "MixtureNLL: predictions must be (..., 3 K) of K logits, means and log-scales, "
                f"got {tuple(y_pred.shape)}."
            )
        y = ops.expand_dims(one_target(y_true, y_pred), -1)
        logits, means, s = ops.split(y_pred, 3, axis=-1)
        log_normal = -s - 0.5 * (ops.square(y - means) * capped_exp(-2.0 * s) + LOG_TWO_PI)
        return -ops.logsumexp(ops.log_softmax(logits, axis=-1) + log_normal, axis=-1)


def location_and_spread(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """(predicted location minus target, logarithm of the spread)."""
    if y_pred.shape[-1] != 2:
        raise ValueError(
            "Predictions must be (..., 2), a location and the logarithm of its spread, "
            f"got {tuple(y_pred.shape)}."
        )
    return y_pred[..., 0] - one_target(y_true, y_pred), y_pred[..., 1]
