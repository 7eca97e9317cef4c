"""Weights learned from data that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance
from lossforge.errors import unknown_name
from lossforge.ranges import Float

MEAN, SQUARES = 0.9, 0.999  # decays of Adam


class AutoLambda(GradientBalance):
    """Auto-lambda: weights that would have made the last step better for held-out data.

        theta' = theta - rate sum_k w_k g_k,    d_k = grad L_held_out(theta') . g_k
        w <- w + learning_rate * Adam's step on d,    w >= 0

    -rate d_k is the derivative of the held-out loss in w_k: a bilevel problem, looked ahead by one
    step of gradient descent. The paper takes second differences for it; with theta' linear in w
    the product is exact, and costs one pass over a held-out batch. L_held_out is the sum of the
    primary terms, each with the weight that the user gave it; the others are there to help. Adam's
    step has no length of its own, so the rate does not matter. Weights begin at 1 (the paper: 0.1
    each), and each gets the whole training's say in the units of its term: with terms of very
    different size, weigh those before.

    It needs data that is not trained on: `forge(..., balance="AutoLambda()", validation=...)`.

    Source: Liu, James, Davison and Johns 2022, Auto-Lambda: Disentangling Dynamic Task
        Relationships, equations 4 to 6.

    Args:
        learning_rate: of the weights, > 0.
        primary: names of the terms that matter; none for all.

    Raises:
        ValueError: for a learning rate out of range or a term that does not exist.
    """

    source = "Liu, James, Davison and Johns 2022, Auto-Lambda"
    search = {"learning_rate": Float(1e-4, 0.1, log=True)}
    needs_validation = True

    def __init__(self, learning_rate: float = 0.01, primary: Sequence[str] = ()) -> None:
        self.learning_rate = self._check("learning_rate", learning_rate, 1e-9)
        self.primary = tuple(primary)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        for name in self.primary:
            if name not in names:
                raise ValueError(unknown_name("term in AutoLambda(primary=...)", name, names))
        zeros = np.zeros(len(names))
        state = {"weights": np.ones(len(names)), "mean": zeros, "squares": zeros}
        return state | {"steps": np.zeros(())}

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        return state["weights"], {}

    def term_weights(self, coefficients: Any, values: Any) -> Any:
        return coefficients

    def learn(self, products: Any, state: State) -> State:
        steps = state["steps"] + 1.0
        mean = MEAN * state["mean"] + (1.0 - MEAN) * products
        squares = SQUARES * state["squares"] + (1.0 - SQUARES) * ops.square(products)
        step = mean / (1.0 - ops.power(MEAN, steps))
        length = ops.sqrt(squares / (1.0 - ops.power(SQUARES, steps)))
        move = ops.divide_no_nan(step, length)
        weights = ops.maximum(state["weights"] + self.learning_rate * move, 0.0)
        return {"weights": weights, "mean": mean, "squares": squares, "steps": steps}
