"""A term that falls slowly counts more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.ranges import Float


class DynamicAverage(Balance):
    """Dynamic weight average: by the ratio of each term's means over the last two epochs.

        w_k = K softmax(r_k / T),    r_k = mean of L_k one epoch ago / two epochs ago

    Weights are 1 in the first two epochs, and constant within an epoch.

    Source: Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention, equation 7.

    Args:
        temperature: T > 0; large ones level the weights.

    Raises:
        ValueError: for a temperature out of range.
    """

    source = "Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention"
    search = {"temperature": Float(0.1, 10.0, log=True)}

    def __init__(self, temperature: float = 2.0) -> None:
        self.temperature = self._check("temperature", temperature, 1e-6)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        zeros = np.zeros(len(names))
        one = {"weights": np.ones(len(names)), "sum": zeros, "last": zeros}
        return one | {"steps": np.zeros(()), "epochs": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        return {"sum": state["sum"] + values, "steps": state["steps"] + 1.0}

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(state["weights"] * values)

    def begin_epoch(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if state["steps"] == 0:
            return {}
        mean = state["sum"] / state["steps"]
        new = {
            "sum": 0.0 * mean,
            "steps": np.zeros(()),
            "last": mean,
            "epochs": state["epochs"] + 1,
        }
        if state["epochs"] > 0:
            safe = np.where(state["last"] == 0, 1.0, state["last"])
            ratio = np.where(state["last"] == 0, 1.0, mean / safe) / self.temperature
            share = np.exp(ratio - ratio.max())
            new["weights"] = len(mean) * share / share.sum()
        return new
