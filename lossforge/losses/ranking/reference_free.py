"""Learning from preferences without a reference model: SimPO, CPO, ORPO."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification.log_probabilities import log_complement
from lossforge.ranges import Float


class SimPO(Loss):
    """The chosen answer's mean log-probability is to exceed the rejected one's by a margin.

        loss = -log sigmoid(beta (log pi(chosen) / length - log pi(rejected) / length) - gamma)

    Reads: y_pred: (batch, 2) log-probabilities of the chosen and the rejected answer, summed over
        tokens; y_true: (batch, 2) their lengths in tokens.
    Returns: (batch,).
    Source: Meng et al. 2024, SimPO: Simple Preference Optimization with a Reference-Free Reward,
        equation 6.

    >>> round(float(SimPO(gamma=0.0)([[4, 2]], [[-4.0, -2.0]])), 4)
    0.6931

    Args:
        beta: scale of the reward, > 0; 2.
        gamma: the margin, >= 0; 1.
    """

    kinds = ("answers",)
    source = "Meng et al. 2024, SimPO"
    minimum = None
    search = {"beta": Float(1.0, 10.0, log=True), "gamma": Float(0.0, 3.0)}
    variants = ({}, {"beta": 0.5, "gamma": 0.3})

    def __init__(self, beta: float = 2.0, gamma: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.beta = check_range("SimPO", "beta", beta, 1e-6)
        self.gamma = check_range("SimPO", "gamma", gamma, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        mean = mean_log_probability(y_true, y_pred)
        return ops.softplus(self.gamma - self.beta * (mean[..., 0] - mean[..., 1]))


class CPO(Loss):
    """DPO with a uniform reference, and likelihood of the chosen answer.

        loss = -log sigmoid(beta (log pi(chosen) - log pi(rejected)))
               - weight log pi(chosen) / length

    Reads: y_pred: (batch, 2) log-probabilities of the chosen and the rejected answer, summed over
        tokens; y_true: (batch, 2) their lengths in tokens.
    Returns: (batch,).
    Source: Xu et al. 2024, Contrastive Preference Optimization, equations 3 and 4; likelihood a
        token, as in the authors' code.

    >>> round(float(CPO(weight=0.0)([[4, 2]], [[-4.0, -4.0]])), 4)
    0.6931

    Args:
        beta: > 0; 0.1.
        weight: of the likelihood, >= 0; 1.
    """

    kinds = ("answers",)
    source = "Xu et al. 2024, Contrastive Preference Optimization"
    minimum = None
    search = {"beta": Float(0.01, 1.0, log=True), "weight": Float(0.1, 2.0, log=True)}
    variants = ({}, {"beta": 0.5, "weight": 0.2})

    def __init__(self, beta: float = 0.1, weight: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.beta = check_range("CPO", "beta", beta, 1e-6)
        self.weight = check_range("CPO", "weight", weight, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        chosen = mean_log_probability(y_true, y_pred)[..., 0]
        gap = y_pred[..., 0] - y_pred[..., 1]
        return ops.softplus(-self.beta * gap) - self.weight * chosen


class ORPO(Loss):
    """Likelihood of the chosen answer, and its odds against the rejected one.

        p = exp(log pi / length),   odds = p / (1 - p)
        loss = -log p(chosen) - weight log sigmoid(log odds(chosen) - log odds(rejected))

    Reads: y_pred: (batch, 2) log-probabilities <= 0 of the chosen and the rejected answer, summed
        over tokens; y_true: (batch, 2) their lengths in tokens.
    Returns: (batch,).
    Edges: log(1 - p) is computed from log p, and finite at p = 1.
    Source: Hong et al. 2024, ORPO: Monolithic Preference Optimization without Reference Model,
        equations 4 to 7.

    >>> round(float(ORPO(weight=1.0)([[1, 1]], [[-1.0, -1.0]])), 4)
    1.6931

    Args:
        weight: of the odds, >= 0; 0.1.
    """

    kinds = ("answers",)
    source = "Hong et al. 2024, ORPO"
    minimum = None
    search = {"weight": Float(0.05, 2.0, log=True)}
    variants = ({}, {"weight": 1.0})

    def __init__(self, weight: float = 0.1, **base: Any) -> None:
        super().__init__(**base)
        self.weight = check_range("ORPO", "weight", weight, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = mean_log_probability(y_true, y_pred)
        log_odds = log_p - log_complement(log_p)
        gap = log_odds[..., 0] - log_odds[..., 1]
        return self.weight * ops.softplus(-gap) - log_p[..., 0]


def mean_log_probability(lengths: Any, total: Any) -> Any:
    """Per token; an empty answer counts as one token."""
    return total / ops.maximum(ops.cast(lengths, total.dtype), 1.0)
