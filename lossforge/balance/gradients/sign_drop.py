"""At each weight of the network, only gradients of one sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import State
from lossforge.balance.draws import uniform_at
from lossforge.balance.gradients.base import GradientBalance
from lossforge.ranges import Float


class GradDrop(GradientBalance):
    """Gradient sign dropout: a draw at each weight decides which sign may pass.

        p = (1 + sum_k g_k / sum_k |g_k|) / 2,    u ~ U(0, 1)
        a gradient passes where it is > 0 and p > u, or < 0 and p < u
        direction = sum_k (leak + (1 - leak) pass_k) g_k

    It reads the gradients themselves, element by element. Draws are a function of the seed, the
    step and the variable.

    Source: Chen et al. 2020, Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign
        Dropout, algorithm 1.

    Args:
        leak: share that passes anyway, in [0, 1].
        seed: of the draws.

    Raises:
        ValueError: for a leak out of range.
    """

    source = "Chen et al. 2020, Just Pick a Sign: Gradient Sign Dropout"
    search = {"leak": Float(0.0, 0.9)}

    def __init__(self, leak: float = 0.0, seed: int = 0) -> None:
        self.leak = self._check("leak", leak, 0.0, 1.0)
        self.seed = int(seed)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"steps": np.zeros(())}

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        return ops.ones_like(values), {"steps": state["steps"] + 1.0}

    def direction(self, gradients: Any, number: int, state: State) -> Any:
        """The gradient of variable `number` from its (K, ...) gradients."""
        shape = tuple(gradients.shape[1:])
        draw = uniform_at(state["steps"], self.seed + 7919 * number, shape)
        total = ops.sum(gradients, axis=0)
        positive = ops.sum(ops.relu(gradients), axis=0)
        negative = positive - total
        # p > u, with p = positive / (positive + negative)
        passes = ops.where(positive > draw * (positive + negative), positive, -negative)
        return self.leak * total + (1.0 - self.leak) * passes
