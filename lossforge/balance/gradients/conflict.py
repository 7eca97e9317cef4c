"""Close to the mean gradient, but best for the term that gains least."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, normalised
from lossforge.balance.gradients.small_quadratics import least_on_simplex
from lossforge.ranges import Float

ROUNDS, SETTLED = 25, 1e-6


class CAGrad(GradientBalance):
    """Conflict-averse gradient: the worst improvement, maximised in a ball around the mean.

        max_d min_k g_k . d   with   |d - g_0| <= c |g_0|,    g_0 the mean gradient
        its dual:  w = argmin over the simplex of  g_w . g_0 + c |g_0| |g_w|,   g_w = sum_k w_k g_k
        direction = K (g_0 + c |g_0| / |g_w| g_w) / (1 + c^2)

    The length |g_w| is the least of |g_w|^2 / (2 t) + t / 2, so the dual is a sequence of exact
    quadratic problems. Up to 8 terms. c = 0 is the plain sum; large c comes close to MGDA. The
    division by 1 + c^2 is the authors' (`rescale`).

    Source: Liu et al. 2021, Conflict-Averse Gradient Descent for Multi-Task Learning, algorithm 1.

    Args:
        c: radius of the ball in lengths of the mean gradient, in [0, 1).
        rescale: whether to divide by 1 + c^2.

    Raises:
        ValueError: for a c out of range.
    """

    source = "Liu et al. 2021, Conflict-Averse Gradient Descent for Multi-Task Learning"
    search = {"c": Float(0.1, 0.9)}

    def __init__(self, c: float = 0.5, rescale: bool = True) -> None:
        self.c = self._check("c", c, 0.0, 1.0 - 1e-6)
        self.rescale = bool(rescale)

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        gramian, _ = normalised(gramian)
        count = values.shape[0]
        towards_mean = ops.mean(gramian, axis=-1)  # g_k . g_0
        radius = self.c * _root(ops.mean(towards_mean))

        def length_of(weights: Any) -> Any:
            return _root(ops.sum(weights * (gramian @ weights[:, None])[:, 0]))

        def closer(weights: Any, change: Any) -> tuple[Any, Any]:
            new = least_on_simplex(radius / length_of(weights) * gramian, towards_mean)
            return new, ops.max(ops.abs(new - weights))

        weights = ops.ones_like(values) / count
        if self.c:
            weights, _ = ops.while_loop(
                lambda _, change: change > SETTLED,
                closer,
                (weights, ops.ones(())),
                maximum_iterations=ROUNDS,
            )
        length = length_of(weights)
        mix = 1.0 / count + radius / length * weights
        return count * mix / (1.0 + self.c**2 if self.rescale else 1.0), {}


def _root(x: Any) -> Any:
    return ops.sqrt(ops.maximum(x, 1e-12))
