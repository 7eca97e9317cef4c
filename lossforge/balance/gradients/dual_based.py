"""Logarithms of the terms, and gradients of one length."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, lengths


class DBMTL(GradientBalance):
    """Dual balancing: logarithms balance the values, one common length the gradients.

        h_k = g_k / L_k  (the gradient of log L_k);    direction = max_j |h_j| sum_k h_k / |h_k|

    The weights that one term has for itself follow the gradient of its logarithm. The paper's
    exponential mean of h (which stores K gradients) is left out. Values must be above 0.

    Source: Lin et al. 2023, Dual-Balancing for Multi-Task Learning, algorithm 1 with beta = 0.
    """

    source = "Lin et al. 2023, Dual-Balancing for Multi-Task Learning"

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        inverse = 1.0 / ops.maximum(values, 1e-12)
        longest = ops.max(lengths(gramian) * inverse)
        return longest / lengths(gramian), {}

    def term_weights(self, coefficients: Any, values: Any) -> Any:
        return 1.0 / ops.maximum(values, 1e-12)
