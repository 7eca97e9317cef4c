"""Weights that make all gradients equally long, but for terms that lag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, lengths
from lossforge.ranges import Float


class GradNorm(GradientBalance):
    """Learned weights: a term that trains slowly gets a longer gradient.

        n_k = w_k |g_k|,    target_k = mean n * r_k^alpha,    r_k = (L_k / L_k(0)) / their mean
        w_k <- w_k - learning_rate * sign(n_k - target_k) |g_k| / mean |g|;   then sum w = K

    The paper's step on |n_k - target_k|, divided by the mean length so that one learning rate fits
    losses of any size. At rest n_k is proportional to r_k^alpha. The layer whose gradients count is
    the model's `shared`; the paper takes the last shared layer.

    Source: Chen et al. 2018, GradNorm: Gradient Normalization for Adaptive Loss Balancing,
        algorithm 1.

    Args:
        alpha: strength, >= 0; 0 makes all gradients equally long.
        learning_rate: of the weights, > 0.

    Raises:
        ValueError: for numbers out of range.
    """

    source = "Chen et al. 2018, GradNorm: Gradient Normalization for Adaptive Loss Balancing"
    search = {"alpha": Float(0.0, 3.0), "learning_rate": Float(1e-3, 0.1, log=True)}

    def __init__(self, alpha: float = 1.5, learning_rate: float = 0.025) -> None:
        self.alpha = self._check("alpha", alpha, 0.0)
        self.learning_rate = self._check("learning_rate", learning_rate, 1e-9)

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        count = len(names)
        return {"weights": np.ones(count), "first": np.zeros(count), "steps": np.zeros(())}

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        weights, length = state["weights"], lengths(gramian)
        first = ops.where(state["steps"] < 1.0, values, state["first"])
        left = ops.where(first > 0.0, values / ops.where(first > 0.0, first, 1.0), 1.0)
        rate = ops.maximum(left / ops.maximum(ops.mean(left), 1e-12), 1e-12)
        norms = weights * length
        target = ops.mean(norms) * ops.power(rate, self.alpha)
        slope = ops.sign(norms - target) * length / ops.mean(length)
        new = ops.maximum(weights - self.learning_rate * slope, 1e-4)
        new = values.shape[0] * new / ops.sum(new)
        return weights, {"weights": new, "first": first, "steps": state["steps"] + 1.0}

    def term_weights(self, coefficients: Any, values: Any) -> Any:
        return coefficients
