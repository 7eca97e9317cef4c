"""Uncertainty weighting with the optimum put in for the learned noise."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import Balance, State
from lossforge.ranges import Float


class AnalyticUncertainty(Balance):
    """UW-SO: the inverse of each value, softened by a softmax.

        w_k = K exp(1 / (L_k T)) / sum_j exp(1 / (L_j T));    total = sum_k w_k L_k

    Where uncertainty weighting is at rest, its weights are 1 / L_k; these follow at once, with no
    state. The paper's weights sum to 1; here to K, so that equal values give the plain sum. The
    weights count as constants in the gradient. Values must be above 0.

    Source: Kirchdorfer et al. 2024, Analytical Uncertainty-Based Loss Weighting in Multi-Task
        Learning, equation 9.

    Args:
        temperature: T > 0; large ones level the weights.

    Raises:
        ValueError: for a temperature out of range.
    """

    source = "Kirchdorfer et al. 2024, Analytical Uncertainty-Based Loss Weighting"
    search = {"temperature": Float(0.5, 100.0, log=True)}

    def __init__(self, temperature: float = 10.0) -> None:
        self.temperature = self._check("temperature", temperature, 1e-6)

    def total(self, values: Any, state: State) -> Any:
        inverse = 1.0 / (ops.maximum(values, 1e-12) * self.temperature)
        weights = values.shape[0] * ops.softmax(inverse)
        return ops.sum(ops.stop_gradient(weights) * values)
