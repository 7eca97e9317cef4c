"""A term that falls slowest counts most, by its slope over steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State, running_mean
from lossforge.ranges import Choice, Float


class SoftAdapt(Balance):
    """Weights by a softmax over the recent change of each term.

        w_k = K exp(beta d_k) / sum_j exp(beta d_j),    d_k: change of the term in one step
        relative:        d_k / sum_j |d_j|
        loss_weighted:   w_k L_k / sum_j w_j L_j, times K

    A positive beta favours the term that falls least. Changes are those of an exponential mean
    with `decay`; 0 is the paper's difference of two steps. The paper's weights sum to 1, here to K.

    Source: Heydari, Thompson and Mehmood 2019, SoftAdapt: Techniques for Adaptive Loss Weighting of
        Neural Networks with Multi-Part Loss Functions, equations 6 to 9.

    Args:
        beta: sharpness; below 0 it favours the term that falls fastest.
        relative: whether changes are divided by their sum.
        loss_weighted: whether weights are also proportional to the (mean) values.
        decay: of the mean, in [0, 1).

    Raises:
        ValueError: for a beta or decay out of range.
    """

    source = "Heydari, Thompson and Mehmood 2019, SoftAdapt"
    search = {"beta": Float(0.01, 10.0, log=True), "loss_weighted": Choice((False, True))}

    def __init__(
        self,
        beta: float = 0.1,
        relative: bool = True,
        loss_weighted: bool = False,
        decay: float = 0.9,
    ) -> None:
        self.beta = self._check("beta", beta, -100.0, 100.0)
        self.relative, self.loss_weighted = bool(relative), bool(loss_weighted)
        self.decay = self._check("decay", decay, 0.0, 1.0 - 1e-9)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        zeros = np.zeros(len(names))
        return {"mean": zeros, "weights": np.ones(len(names)), "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        mean = running_mean(state["mean"], values, state["steps"], self.decay)
        change = ops.where(state["steps"] > 0.0, mean - state["mean"], 0.0)
        if self.relative:
            change = ops.divide_no_nan(change, ops.sum(ops.abs(change)))
        weights = ops.softmax(self.beta * change)
        if self.loss_weighted:
            weights = weights * mean
            weights = weights / ops.sum(weights)
        weights = values.shape[0] * weights
        return {"mean": mean, "weights": weights, "steps": state["steps"] + 1.0}

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(state["weights"] * values)
