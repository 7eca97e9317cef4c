"""Terms divided by their own size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State, running_mean
from lossforge.ranges import Float


class Magnitude(Balance):
    """Divides each term by the running mean of its absolute value, so that each counts about 1.

        m_k <- exponential mean of |L_k|;    total = sum_k L_k / m_k

    The means count as constants in the gradient. The newest value is a part of its own mean.

    Source: the exponential mean without bias is that of Kingma and Ba 2015, Adam, section 3.

    Args:
        decay: of the mean, in [0, 1); 0.99 looks back about 100 steps. 0 makes every term 1.

    Raises:
        ValueError: for a decay out of range.
    """

    source = "Kingma and Ba 2015, Adam (the unbiased exponential mean)"
    search = {"decay": Float(0.9, 0.999)}

    def __init__(self, decay: float = 0.99) -> None:
        self.decay = self._check("decay", decay, 0.0, 1.0 - 1e-9)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"mean": np.zeros(len(names)), "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        mean = running_mean(state["mean"], ops.abs(values), state["steps"], self.decay)
        return {"mean": mean, "steps": state["steps"] + 1.0}

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(ops.divide_no_nan(values, state["mean"]))
