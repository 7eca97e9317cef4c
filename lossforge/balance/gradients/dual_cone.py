"""Each gradient projected so that it hurts no term."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, normalised
from lossforge.balance.gradients.small_quadratics import least_above


class UPGrad(GradientBalance):
    """Unconflicting projection: every gradient onto the cone of directions that hurt no term.

        for each i:  v_i = argmin v' G v / 2,  v >= e_i      (e_i: 1 at i, else 0)
        direction = sum_i sum_k v_ik g_k

    Exact for up to 8 terms. Unlike PCGrad, which meets the others one at a time, the result never
    opposes any gradient.

    Source: Quinton and Rey 2024, Jacobian Descent for Multi-Objective Optimization, proposition 1.
    """

    source = "Quinton and Rey 2024, Jacobian Descent for Multi-Objective Optimization"

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        gramian, _ = normalised(gramian)
        return ops.sum(least_above(gramian, ops.eye(values.shape[0])), axis=0), {}
