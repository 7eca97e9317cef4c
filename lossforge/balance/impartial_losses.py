"""Every term scaled to the same value, by scales that are learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.ranges import Float


class ImpartialLosses(Balance):
    """IMTL-L: scales each term by exp(s_k) so that all scaled terms are 1.

        total = sum_k exp(s_k) L_k - s_k         s_k <- s_k - learning_rate (exp(s_k) L_k - 1)

    It settles where exp(s_k) = 1 / L_k. Slopes of s are held within +-10, and a term must stay
    above 0, as in Uncertainty, which is its twin with other constants.

    Source: Liu et al. 2021, Towards Impartial Multi-Task Learning, equation 6.

    Args:
        learning_rate: of s, > 0.

    Raises:
        ValueError: for a learning rate out of range.
    """

    source = "Liu et al. 2021, Towards Impartial Multi-Task Learning"
    search = {"learning_rate": Float(1e-3, 0.1, log=True)}
    update_first = False

    def __init__(self, learning_rate: float = 0.02) -> None:
        self.learning_rate = self._check("learning_rate", learning_rate, 1e-9)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"s": np.zeros(len(names))}

    def update(self, values: Any, state: State) -> State:
        slope = ops.clip(ops.exp(state["s"]) * values - 1.0, -10.0, 10.0)
        return {"s": state["s"] - self.learning_rate * slope}

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(ops.exp(state["s"]) * values - state["s"])
