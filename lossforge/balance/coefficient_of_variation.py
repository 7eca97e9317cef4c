"""A term whose improvement still varies counts more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State


class CoefficientOfVariation(Balance):
    """CoV weighting: the standard deviation of a term's loss ratio over its mean.

        l_k(t) = L_k(t) / mean of L_k before t
        w_k = K c_k / sum_j c_j,    c_k = standard deviation of l_k / mean of l_k, over all steps

    Means and deviations are those of the whole training so far, kept by Welford's recursion. The
    weights are 1 for the first two steps; the paper's sum to 1, here to K.

    Source: Groenendijk et al. 2021, Multi-Loss Weighting with Coefficient of Variations, equations
        3 to 8.
    """

    source = "Groenendijk et al. 2021, Multi-Loss Weighting with Coefficient of Variations"

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        zeros = np.zeros(len(names))
        state = {"mean": zeros, "ratio_mean": zeros, "ratio_squares": zeros}
        return state | {"weights": np.ones(len(names)), "steps": np.zeros(())}

    def update(self, values: Any, state: State) -> State:
        steps = state["steps"] + 1.0
        before = ops.where(state["steps"] > 0.0, state["mean"], values)
        ratio = ops.divide_no_nan(values, before)
        gap = ratio - state["ratio_mean"]
        mean = state["ratio_mean"] + gap / steps
        squares = state["ratio_squares"] + gap * (ratio - mean)
        variation = ops.divide_no_nan(ops.sqrt(ops.maximum(squares, 0.0) / steps), mean)
        share = ops.divide_no_nan(variation, ops.sum(variation))
        weights = ops.where(steps > 2.0, values.shape[0] * share, 1.0)
        return {
            "mean": state["mean"] + (values - state["mean"]) / steps,
            "ratio_mean": mean,
            "ratio_squares": squares,
            "weights": weights,
            "steps": steps,
        }

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(state["weights"] * values)
