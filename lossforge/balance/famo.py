"""Every term falls by the same share, with one gradient a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.ranges import Float


class FAMO(Balance):
    """Fast adaptive multitask optimization: weights move towards the term that fell least.

        z = softmax(xi);    weight of k: c z_k / L_k,    c = 1 / sum_j z_j / L_j
        xi <- xi - learning_rate (J d + decay xi),    d_k = log L_k(before) - log L_k(after),
        J = diag(z) - z z^T

    Before and after are the values of two steps that follow each other, so that no second forward
    pass is needed: the same as the paper on full batches; on small ones the noise of the batches
    enters d, and averages out over about 1 / learning_rate steps. Values must be above 0. The
    weights are times K, so that equal values of 1 give the plain sum.

    Source: Liu et al. 2023, FAMO: Fast Adaptive Multitask Optimization, algorithm 1.

    Args:
        learning_rate: of xi, > 0.
        decay: pull of xi towards 0, >= 0.

    Raises:
        ValueError: for numbers out of range.
    """

    source = "Liu et al. 2023, FAMO: Fast Adaptive Multitask Optimization"
    search = {"learning_rate": Float(1e-3, 0.1, log=True)}

    def __init__(self, learning_rate: float = 0.025, decay: float = 1e-3) -> None:
        self.learning_rate = self._check("learning_rate", learning_rate, 1e-9)
        self.decay = self._check("decay", decay, 0.0)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"xi": np.zeros(len(names)), "logs": np.zeros(len(names)), "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        logs = ops.log(ops.maximum(values, 1e-12))
        fall = ops.where(state["steps"] > 0.0, state["logs"] - logs, 0.0)
        z = ops.softmax(state["xi"])
        slope = z * (fall - ops.sum(z * fall)) + self.decay * state["xi"]
        xi = state["xi"] - self.learning_rate * slope
        return {"xi": xi, "logs": logs, "steps": state["steps"] + 1.0}

    def total(self, values: Any, state: State) -> Any:
        shares = ops.softmax(state["xi"]) / ops.maximum(values, 1e-12)
        weights = values.shape[0] * ops.stop_gradient(shares / ops.sum(shares))
        return ops.sum(weights * values)
