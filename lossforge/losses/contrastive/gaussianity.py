"""Two views agree, and their embeddings are those of a normal distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.contrastive import views
from lossforge.losses.contrastive.views import TwoViews
from lossforge.losses.safe_operators import in_own_dtype
from lossforge.ranges import Float

KNOTS = np.linspace(0.0, 3.0, 17)
NORMAL = np.exp(-0.5 * KNOTS**2)  # the characteristic function of the standard normal distribution
SHARES = KNOTS[1] * NORMAL * np.array([1.0, *[2.0] * 15, 1.0])  # trapezia on both sides of 0


class SIGReg(TwoViews):
    """Embeddings predict each other, and look normal from every side (LeJEPA).

        T = N integral over t of |mean_i exp(i t a . z_i) - exp(-t^2 / 2)|^2 exp(-t^2 / 2)
        loss_i = (1 - weight) mean_d (x_id - y_id)^2 / 4
                 + weight mean over both views and all directions a of T

    T is the test of Epps and Pulley, whether the projection on a is standard normal; the integral
    runs from -3 to 3 over 17 knots. (x - y)^2 / 4 is the squared distance of a view to the mean of
    both.

    Reads: y_true, y_pred: (batch, D), the two views, not brought to length 1.
    Returns: (batch,).
    Edges: the directions a are drawn once, from `seed`, so that the loss is a function; the paper
        draws new ones each step, which a callback that changes `seed` and compiles again does.
    Source: Balestriero and LeCun 2025, LeJEPA: Provable and Scalable Self-Supervised Learning
        Without the Heuristics, algorithm 1.

    >>> far, spread = [[9.0, 9.0], [9.0, 9.0]], [[1.0, 0.0], [-1.0, 0.0]]
    >>> float(SIGReg()(far, far)) > float(SIGReg()(spread, spread))
    True

    Args:
        weight: of the test, in [0, 1]; the paper's lambda, 0.05.
        directions: how many, >= 1.
        seed: of the directions.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("views",)
    source = "Balestriero and LeCun 2025, LeJEPA"
    minimum = None
    memory = "O(B)"
    search = {"weight": Float(0.005, 0.5, log=True)}
    variants = ({}, {"weight": 0.5, "directions": 3, "seed": 1})

    def __init__(
        self, weight: float = 0.05, directions: int = 256, seed: int = 0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.weight = check_range("SIGReg", "weight", weight, 0.0, 1.0)
        self.directions = int(check_range("SIGReg", "directions", directions, 1))
        self.seed = int(seed)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        apart = ops.sum(ops.square(x - y), axis=-1) / (4.0 * y.shape[-1])
        test = 0.5 * (self._test(x, counts) + self._test(y, counts))
        return (1.0 - self.weight) * apart + self.weight * test

    def _test(self, x: Any, counts: Any) -> Any:
        directions = unit_directions(x.shape[-1], self.directions, self.seed)
        projected = ops.matmul(x, ops.convert_to_tensor(directions, dtype=x.dtype))
        angles = projected[:, :, None] * ops.convert_to_tensor(KNOTS, dtype=x.dtype)
        weight = ops.cast(counts, x.dtype)[:, None, None]
        number = views.number_of(counts, x)
        normal = ops.convert_to_tensor(NORMAL, dtype=x.dtype)
        real = ops.sum(weight * in_own_dtype("cos", angles), axis=0) / number - normal
        imaginary = ops.sum(weight * in_own_dtype("sin", angles), axis=0) / number
        apart = ops.square(real) + ops.square(imaginary)
        return number * ops.sum(ops.convert_to_tensor(SHARES, x.dtype) * apart) / self.directions


def unit_directions(dimensions: int, number: int, seed: int) -> np.ndarray:
    """(dimensions, number): columns of length 1, even over the sphere.

    >>> float((unit_directions(3, 2, seed=0) ** 2).sum().round(6))
    2.0
    """
    columns = np.random.default_rng(seed).normal(size=(dimensions, number))
    return columns / np.linalg.norm(columns, axis=0)
