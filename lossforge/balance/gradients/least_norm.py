"""The shortest combination of gradients: a direction that hurts no term."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, lengths
from lossforge.balance.gradients.small_quadratics import least_on_simplex
from lossforge.ranges import Choice


class MGDA(GradientBalance):
    """Multiple gradient descent: the point of least length in the hull of the gradients.

        w = argmin |sum_k w_k g_k|^2,  w >= 0, sum w = 1;    direction = K sum_k w_k g_k

    It is 0 exactly where no direction improves all terms (a Pareto-stationary point), else it
    improves every one. Exact for up to 8 terms. The factor K makes equal weights the plain sum.

    Source: Desideri 2012, Multiple-Gradient Descent Algorithm; Sener and Koltun 2018, Multi-Task
        Learning as Multi-Objective Optimization, equation 4.

    Args:
        normalise: `"none"`, `"length"` (gradients of length 1) or `"loss"` (divided by values):
            without it the smallest gradient gets nearly all the weight.

    Raises:
        ValueError: for a normalisation that does not exist.
    """

    source = "Sener and Koltun 2018, Multi-Task Learning as Multi-Objective Optimization"
    search = {"normalise": Choice(("none", "length", "loss"))}

    def __init__(self, normalise: str = "none") -> None:
        if normalise not in ("none", "length", "loss"):
            raise ValueError(f"MGDA: normalise is 'none', 'length' or 'loss', got {normalise!r}.")
        self.normalise = normalise

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        scale = ops.ones_like(values)
        if self.normalise != "none":
            scale = lengths(gramian) if self.normalise == "length" else values
            scale = 1.0 / ops.maximum(scale, 1e-12)
        scaled = gramian * scale[:, None] * scale[None, :]
        weights = least_on_simplex(scaled, ops.zeros_like(values)) * scale
        return values.shape[0] * weights / ops.sum(weights), {}

    def term_weights(self, coefficients: Any, values: Any) -> Any:
        return coefficients
