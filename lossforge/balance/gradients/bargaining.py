"""Directions that terms would agree on in a fair bargain."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, normalised
from lossforge.ranges import Float

STEPS = 30


class FairGrad(GradientBalance):
    """alpha-fair improvement: the utility of each term's gain, summed and maximised.

        G w = w^(-1/alpha), w > 0;    direction = K sum_k w_k g_k / sum_k w_k

    alpha = 1 is the Nash bargain (proportional fairness), large alpha favours the term that gains
    least, 0 < alpha < 1 the sum of gains. It is the minimum of the convex function
    w'Gw / 2 - integral w^(-1/alpha), found by damped Newton steps. Coefficients sum to K, so that
    equal ones are the plain sum; the paper leaves their size to the solution.

    Source: Ban and Ji 2024, Fair Resource Allocation in Multi-Task Learning, equation 4.

    Args:
        alpha: > 0.

    Raises:
        ValueError: for an alpha out of range.
    """

    source = "Ban and Ji 2024, Fair Resource Allocation in Multi-Task Learning"
    search = {"alpha": Float(0.5, 5.0, log=True)}

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = self._check("alpha", alpha, 0.1, 100.0)

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        weights = fair_weights(gramian, self.alpha)
        return values.shape[0] * weights / ops.sum(weights), {}

    def term_weights(self, coefficients: Any, values: Any) -> Any:
        return coefficients


class NashMTL(GradientBalance):
    """Nash-MTL: the bargain that maximises the product of all terms' gains.

        G w = 1 / w, w > 0;    direction = K sum_k w_k g_k / sum_k w_k

    Solved exactly in the graph, at every step, without a convex solver. A term with a large
    gradient gets a small weight: the direction does not change when a term is scaled.

    Source: Navon et al. 2022, Multi-Task Learning as a Bargaining Game, claim 3.1.
    """

    source = "Navon et al. 2022, Multi-Task Learning as a Bargaining Game"

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        weights = fair_weights(gramian, 1.0)
        return values.shape[0] * weights / ops.sum(weights), {}

    def term_weights(self, coefficients: Any, values: Any) -> Any:
        return coefficients


def fair_weights(gramian: Any, alpha: float) -> Any:
    """w > 0 with G w = w^(-1/alpha), up to a factor, by damped Newton steps."""
    power = 1.0 / alpha
    matrix, _ = normalised(gramian)  # scales all w alike
    diagonal = ops.maximum(ops.diagonal(matrix), 1e-12)
    matrix = matrix + ops.eye(gramian.shape[0]) * 1e-6 * diagonal[:, None]

    def step(_, w):
        slope = (matrix @ w[:, None])[:, 0] - ops.power(w, -power)
        curve = matrix + power * ops.power(w, -power - 1.0)[:, None] * ops.eye(w.shape[0])
        move = ops.solve(curve, slope[:, None])[:, 0]
        decrement = ops.sqrt(ops.maximum(ops.sum(move * slope), 0.0))
        damped = ops.where(decrement > 0.25, 1.0 / (1.0 + decrement), 1.0)
        inside = 0.9 / ops.maximum(ops.max(move / w), 0.9)
        return w - ops.minimum(damped, inside) * move

    alone = ops.power(diagonal, -1.0 / (1.0 + power))  # the solution if no term met another
    return ops.fori_loop(0, STEPS, step, alone)
