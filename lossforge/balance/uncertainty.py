"""Each term weighed by a noise level that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.errors import unknown_name
from lossforge.ranges import Float

STEEPEST = 10.0


class Uncertainty(Balance):
    """Homoscedastic uncertainty: a term with more noise counts less, and noise itself costs.

        total = sum_k a_k exp(-s_k) L_k + s_k / 2       s_k = log variance, learned
        a_k = 1/2 for a Gaussian likelihood (regression), 1 for a softmax (classification)

    The slope in s_k is 1/2 - a_k exp(-s_k) L_k, so the Balance takes its own step,
    s_k <- s_k - learning_rate * slope: the same as learning s by gradient descent beside the model,
    with no optimizer to configure. Slopes are held within +-10: a first value of 10,000 would
    throw s out of sight. It settles where exp(s_k) = 2 a_k L_k, so each term then counts 1/2.

    A term must stay above 0: s falls without end where L_k <= 0.

    Source: Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses for
        Scene Geometry and Semantics, equations 7 and 10.

    Args:
        learning_rate: of s, > 0.
        initial: s at the start; None begins where the first values are at rest.
        classification: names of the terms that are cross-entropies.

    Raises:
        ValueError: for a learning rate out of range or a term that does not exist.
    """

    source = "Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses"
    search = {"learning_rate": Float(1e-3, 0.1, log=True)}
    update_first = False

    def __init__(
        self,
        learning_rate: float = 0.01,
        initial: float | None = None,
        classification: Sequence[str] = (),
    ) -> None:
        self.learning_rate = self._check("learning_rate", learning_rate, 1e-9)
        self.initial = None if initial is None else self._check("initial", initial, -50.0, 50.0)
        self.classification = tuple(classification)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        for name in self.classification:
            if name not in names:
                raise ValueError(
                    unknown_name("term in Uncertainty(classification=...)", name, names)
                )
        share = np.array([1.0 if name in self.classification else 0.5 for name in names])
        s = np.full(len(names), self.initial or 0.0)
        return {"s": s, "share": share, "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        s = self._s(values, state)
        slope = 0.5 - state["share"] * ops.exp(-s) * values
        s = s - self.learning_rate * ops.clip(slope, -STEEPEST, STEEPEST)
        return {"s": s, "steps": state["steps"] + 1.0}

    def total(self, values: Any, state: State) -> Any:
        s = ops.stop_gradient(self._s(values, state))
        return ops.sum(state["share"] * ops.exp(-s) * values + 0.5 * s)

    def _s(self, values: Any, state: State) -> Any:
        """s; before the first step, where these values are at rest."""
        if self.initial is not None:
            return state["s"]
        tiny = 1e-12
        at_rest = ops.log(ops.maximum(2.0 * state["share"] * values, tiny))
        return ops.where(state["steps"] < 1.0, at_rest, state["s"])
