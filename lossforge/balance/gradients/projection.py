"""Each gradient bent away from those that it opposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import State
from lossforge.balance.draws import uniform_at
from lossforge.balance.gradients.base import GradientBalance, lengths
from lossforge.ranges import Float


class PCGrad(GradientBalance):
    """Gradient surgery: takes out of each gradient what points against another.

        for each i, for each j != i in random order:
            if g_i' . g_j < 0:   g_i' <- g_i' - (g_i' . g_j) / |g_j|^2 g_j
        direction = sum_i g_i'

    All of it happens on coefficients: g_i' is a combination of the K gradients, and its inner
    products are that combination of the Gramian. The order is a function of the seed and the step.

    Source: Yu et al. 2020, Gradient Surgery for Multi-Task Learning, algorithm 1.

    Args:
        seed: of the order.
    """

    source = "Yu et al. 2020, Gradient Surgery for Multi-Task Learning"

    def __init__(self, seed: int = 0) -> None:
        self.seed = int(seed)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"steps": np.zeros(())}

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        count = values.shape[0]
        order = ops.argsort(uniform_at(state["steps"], self.seed, (count, count)), axis=-1)
        rows, squares = ops.eye(count), ops.maximum(ops.diagonal(gramian), 1e-20)
        for place in range(count):
            others = ops.one_hot(order[:, place], count)  # row i: which j it meets now
            meets = ops.sum((rows @ gramian) * others, axis=-1)
            share = ops.minimum(meets, 0.0) / (others @ squares[:, None])[:, 0]
            itself = ops.sum(others * ops.eye(count), axis=-1)
            rows = rows - (share * (1.0 - itself))[:, None] * others
        return ops.sum(rows, axis=0), {"steps": state["steps"] + 1.0}


class GradVac(GradientBalance):
    """Gradient vaccine: turns each gradient until its angle with another is a usual one.

    With c the cosine of g_i' and g_j, and t its running mean for that pair:

        where c < t:   g_i' <- g_i' + s g_j
        s = |g_i'| (t sqrt(1 - c^2) - c sqrt(1 - t^2)) / (|g_j| sqrt(1 - t^2))
        t <- (1 - beta) t + beta c

    With t = 0 it is PCGrad. Terms meet in a random order, a function of the seed and the step.

    Source: Wang et al. 2021, Gradient Vaccine, equations 4 and 5.

    Args:
        beta: how fast the targets follow, in [0, 1].
        seed: of the order.

    Raises:
        ValueError: for a beta out of range.
    """

    source = "Wang et al. 2021, Gradient Vaccine"
    search = {"beta": Float(0.01, 1.0, log=True)}

    def __init__(self, beta: float = 0.5, seed: int = 0) -> None:
        self.beta = self._check("beta", beta, 0.0, 1.0)
        self.seed = int(seed)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"targets": np.zeros((len(names), len(names))), "steps": np.zeros(())}

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        count = values.shape[0]
        order = ops.argsort(uniform_at(state["steps"], self.seed, (count, count)), axis=-1)
        rows, length, targets = ops.eye(count), lengths(gramian), state["targets"]
        for place in range(count):
            others = ops.one_hot(order[:, place], count)
            free = 1.0 - ops.sum(others * ops.eye(count), axis=-1)
            meets = ops.sum((rows @ gramian) * others, axis=-1)
            own = ops.sqrt(ops.maximum(ops.sum((rows @ gramian) * rows, axis=-1), 1e-20))
            other = ops.sum(others * length, axis=-1)
            cosine = ops.clip(meets / (own * other), -1.0, 1.0)
            target = ops.sum(others * targets, axis=-1)
            sine = ops.sqrt(ops.maximum(1.0 - ops.square(target), 1e-8))
            turn = target * ops.sqrt(1.0 - ops.square(cosine)) - cosine * sine
            step = ops.where(cosine < target, own * turn / (other * sine), 0.0)
            rows = rows + (free * step)[:, None] * others
            moved = self.beta * (cosine - target) * free
            targets = targets + moved[:, None] * others
        return ops.sum(rows, axis=0), {"targets": targets, "steps": state["steps"] + 1.0}
