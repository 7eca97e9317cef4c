"""Weights drawn anew at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.balance.draws import normal_at


class RandomWeights(Balance):
    """Random loss weighting: a baseline that any cleverer rule must beat.

        w = K softmax(z),    z ~ N(0, 1) at each step

    The paper's weights sum to 1, here to K. Draws are a function of the seed and the step. At
    validation all weights are 1.

    Source: Lin et al. 2022, Reasonable Effectiveness of Random Weighting.

    Args:
        seed: of the draws.
    """

    source = "Lin et al. 2022, Reasonable Effectiveness of Random Weighting"

    def __init__(self, seed: int = 0) -> None:
        self.seed = int(seed)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"weights": np.ones(len(names)), "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        draws = normal_at(state["steps"], self.seed, tuple(values.shape))
        weights = values.shape[0] * ops.softmax(draws)
        return {"weights": weights, "steps": state["steps"] + 1.0}

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(state["weights"] * values)
