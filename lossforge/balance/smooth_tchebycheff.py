"""The worst term, smoothly: no term can be traded for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.ranges import Float


class SmoothTchebycheff(Balance):
    """A smooth maximum over terms that are scaled by their size at the start.

        total = mu log sum_k exp(L_k / (N_k mu)),    N_k: mean of L_k over the first warmup_steps

    Its minima cover the whole Pareto front, also where it is not convex, which no weighted sum
    does. During the warm-up the total is the plain sum of L_k / N_k. The ideal value of every term
    counts as 0.

    Source: Lin et al. 2024, Smooth Tchebycheff Scalarization for Multi-Objective Optimization,
        equation 7; scaling by the start as in its multi-task experiments.

    Args:
        mu: smoothness, > 0; the maximum itself as mu goes to 0.
        warmup_steps: steps that make up N, at least 1.

    Raises:
        ValueError: for numbers out of range.
    """

    source = "Lin et al. 2024, Smooth Tchebycheff Scalarization for Multi-Objective Optimization"
    search = {"mu": Float(0.05, 5.0, log=True)}

    def __init__(self, mu: float = 1.0, warmup_steps: int = 100) -> None:
        self.mu = self._check("mu", mu, 1e-6)
        self.warmup_steps = int(self._check("warmup_steps", warmup_steps, 1))

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {"nadir": np.ones(len(names)), "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        steps = state["steps"] + 1.0
        mean = ops.where(steps > 1.0, state["nadir"], 0.0)
        mean = mean + (values - mean) / steps
        nadir = ops.where(steps <= self.warmup_steps, mean, state["nadir"])
        return {"nadir": nadir, "steps": steps}

    def total(self, values: Any, state: State) -> Any:
        scaled = ops.divide_no_nan(values, state["nadir"])
        worst = self.mu * ops.logsumexp(scaled / self.mu)
        return ops.where(state["steps"] <= self.warmup_steps, ops.sum(scaled), worst)
