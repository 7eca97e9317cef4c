"""The slope of a formula as a table: what training needs of a loss, and nothing else.

A formula of one class at a time depends on one number, the log-odds of the probability, once the
label is 0 or 1. Its slope is two curves, however many operators it has. So all candidates of a
population, whatever their form, train in one and the same code that looks curves up; nothing is
compiled for a formula. Embedding losses are two curves over the distance, and box losses one
surface over two ratios of areas.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lossforge.expression import Tree
from lossforge.search.symbolic import dual

CLASSES = ("multiclass", "binary", "multilabel", "class_mask", "mask")
KINDS = (*CLASSES, "embedding", "boxes")
EXCLUSIVE = ("multiclass", "class_mask")
LIMIT = 20.0
"""Log-odds beyond are as if at it: p = 2e-9."""


@dataclasses.dataclass(frozen=True)
class Domain:
    """Where a formula of a Kind is evaluated.

    Args:
        kind: "multiclass", "binary", "multilabel", "class_mask", "mask", "embedding" or "boxes".
        prior: shares of the classes, for formulas that read them.
        resolution: points of a table, along each axis; None: 2049 of curves, 65 of surfaces.
    """

    kind: str
    prior: tuple[float, ...] | None = None
    resolution: int | None = None

    @property
    def is_exclusive(self) -> bool:
        return self.kind in EXCLUSIVE

    @property
    def range(self) -> tuple[float, float]:
        if self.kind in CLASSES:
            return -LIMIT, LIMIT
        return (0.0, 2.0) if self.kind == "embedding" else (0.0, 1.0)

    @property
    def points(self) -> int:
        """Of a table, along each axis."""
        return self.resolution or (65 if self.kind == "boxes" else 2049)

    @cached_property
    def grid(self) -> dict[str, dual.Dual]:
        return self.variables(np.linspace(*self.range, self.points))

    def variables(self, at: np.ndarray) -> dict[str, dual.Dual]:
        """Variables on a grid: (labels, points); with priors (classes, 2, points); of boxes
        (points, points), iou by u/e, with two directions of slope.
        """
        if self.kind == "boxes":
            iou, uoe = at[:, None], at[None, :]
            flat = np.zeros((len(at), len(at)))
            along = np.stack([flat + 1.0, flat]), np.stack([flat, flat + 1.0])
            return {
                "iou": dual.given(iou + flat, along[0]),
                "uoe": dual.given(uoe + flat, along[1]),
                "ioe": dual.given(iou * uoe, np.stack([uoe + flat, iou + flat])),
            }
        return self.variables_at(at[None, :], np.array([[0.0], [1.0]]))

    def variables_at(self, at: np.ndarray, y: np.ndarray) -> dict[str, dual.Dual]:
        """Variables at log-odds (or distances) `at`, for labels `y` of a shape that broadcasts."""
        if self.kind == "embedding":
            return {"y": dual.given(y), "d": dual.given(at, 1.0)}
        log_p, log_q = -np.logaddexp(0.0, -at), -np.logaddexp(0.0, at)
        p = np.exp(log_p)
        found = {
            "y": dual.given(y),
            "p": dual.probability((log_p, np.exp(log_q)), (log_q, -p)),
            "x": dual.given(at, 1.0),
        }
        if self.prior:
            shares = np.array(self.prior)
            if at.shape[-1:] != shares.shape or at.ndim < 2 or y.shape != at.shape:
                shares = shares[:, None, None]
            found["prior"] = dual.Dual((shares, 0.0), (np.log(shares), 0.0))
        return found

    def table(self, trees: Sequence[Tree]) -> np.ndarray:
        """Slopes of formulas, float32: (formulas, labels, points), (formulas, classes, 2, points)
        or (formulas, directions, points, points).
        """
        shape = (2, self.points)
        if self.kind == "boxes":
            shape = (2, self.points, self.points)
        elif self.prior:
            shape = (len(self.prior), *shape)
        tables = np.zeros((len(trees), *shape), np.float32)
        with np.errstate(all="ignore"):
            for number, tree in enumerate(trees):
                tables[number] = dual.evaluate(tree, self.grid)[1]
        return tables
