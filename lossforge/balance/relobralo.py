"""Relative progress since the last step, and now and then since the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.balance.draws import uniform_at
from lossforge.ranges import Float


class ReLoBRaLo(Balance):
    """Relative loss balancing with random lookback, made for physics-informed networks.

        b_k(t, t') = K softmax_k(L_k(t) / (T L_k(t')))
        w(t) = decay (rho w(t-1) + (1 - rho) b(t, 0)) + (1 - decay) b(t, t-1)
        rho = 1 with probability `memory`, else 0: a look back to the start

    Weights are 1 at the first step. Draws are a function of the seed and the step.

    Source: Bischof and Kraus 2021, Multi-Objective Loss Balancing for Physics-Informed Deep
        Learning, equations 11 to 14.

    Args:
        temperature: T > 0; large ones level the weights.
        decay: how much of the weights stays, in [0, 1].
        memory: probability that no look back happens, in [0, 1].
        seed: of the draws.

    Raises:
        ValueError: for numbers out of range.
    """

    source = "Bischof and Kraus 2021, Multi-Objective Loss Balancing for Physics-Informed Learning"
    search = {"temperature": Float(0.1, 10.0, log=True), "memory": Float(0.9, 1.0)}

    def __init__(
        self, temperature: float = 1.0, decay: float = 0.999, memory: float = 0.999, seed: int = 0
    ) -> None:
        self.temperature = self._check("temperature", temperature, 1e-6)
        self.decay = self._check("decay", decay, 0.0, 1.0)
        self.memory = self._check("memory", memory, 0.0, 1.0)
        self.seed = int(seed)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        ones, zeros = np.ones(len(names)), np.zeros(len(names))
        return {"weights": ones, "first": zeros, "last": zeros, "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        begins = state["steps"] < 1.0
        first = ops.where(begins, values, state["first"])
        last = ops.where(begins, values, state["last"])
        rho = ops.cast(uniform_at(state["steps"], self.seed, ()) < self.memory, "float32")
        kept = rho * state["weights"] + (1.0 - rho) * self._since(first, values)
        weights = self.decay * kept + (1.0 - self.decay) * self._since(last, values)
        weights = ops.where(begins, 1.0, weights)
        return {"weights": weights, "first": first, "last": values, "steps": state["steps"] + 1.0}

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(state["weights"] * values)

    def _since(self, before: Any, values: Any) -> Any:
        ratio = ops.divide_no_nan(values, before) / self.temperature
        return values.shape[0] * ops.softmax(ratio)
