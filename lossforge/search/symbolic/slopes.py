"""The slope of a formula as a table: what training needs of a loss, and nothing else.

A formula of one class at a time depends on one number, the log-odds of the probability, once the
label is 0 or 1. Its slope is two curves, however many operators it has. So all candidates of a
population, whatever their form, train in one and the same code that looks curves up; nothing is
compiled for a formula. Embedding losses are two curves over the distance, losses of images one over
the residual, and box losses a surface over two ratios of areas.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lossforge.expression import Tree
from lossforge.search.symbolic import dual
from lossforge.search.symbolic.curves import PLACES, curves_of

CLASSES = ("multiclass", "binary", "multilabel", "class_mask", "mask")
KINDS = (*CLASSES, "embedding", "boxes", "image")
EXCLUSIVE = ("multiclass", "class_mask")
LIMIT = 20.0
"""Log-odds beyond are as if at it: p = 2e-9."""


@dataclasses.dataclass(frozen=True)
class Domain:
    """Where a formula of a Kind is evaluated.

    Args:
        kind: "multiclass", "binary", "multilabel", "class_mask", "mask", "embedding", "boxes" or
            "image".
        prior: shares of the classes, for formulas that read them.
        resolution: cells of a curve, or points of a surface along each axis; None: 1024 and 65.
        breaks: whether jumps inside a cell of a curve are found.
    """

    kind: str
    prior: tuple[float, ...] | None = None
    resolution: int | None = None
    breaks: bool = True

    @property
    def is_exclusive(self) -> bool:
        return self.kind in EXCLUSIVE

    @property
    def range(self) -> tuple[float, float]:
        if self.kind in CLASSES:
            return -LIMIT, LIMIT
        return (-1.0, 1.0) if self.kind == "image" else (0.0, 2.0)

    @property
    def points(self) -> int:
        """Cells of a curve, or points of a surface along each axis."""
        return self.resolution or (65 if self.kind == "boxes" else 1024)

    @property
    def rows(self) -> int:
        """Curves of a formula: one a label, or one a label of each class; of images one."""
        if self.kind == "image":
            return 1
        return 2 * len(self.prior or (0,))

    @cached_property
    def grid(self) -> dict[str, dual.Dual]:
        """Variables where tables are computed."""
        if self.kind == "boxes":
            return surface_variables(np.linspace(0.0, 1.0, self.points))
        place = np.arange(self.points)[:, None] + PLACES
        return self.variables_in_cells(place, np.arange(self.rows)[:, None, None])

    def variables_in_cells(self, place: np.ndarray, row: np.ndarray) -> dict[str, dual.Dual]:
        """Variables at places in cells; row 2 c + y is that of label y in class c."""
        low, high = self.range
        at = low + place * ((high - low) / self.points)
        shares = np.array(self.prior)[row // 2] if self.prior else None
        return self.variables_at(at, (row % 2).astype(float), shares)

    def variables_at(
        self, at: np.ndarray, y: np.ndarray, shares: np.ndarray | None = None
    ) -> dict[str, dual.Dual]:
        """Variables at log-odds, distances or residuals, for labels `y` and priors `shares`."""
        if self.kind == "image":
            return {"r": dual.given(at, 1.0)}
        if self.kind == "embedding":
            return {"y": dual.given(y), "d": dual.given(at, 1.0)}
        log_p, log_q = -np.logaddexp(0.0, -at), -np.logaddexp(0.0, at)
        p = np.exp(log_p)
        found = {
            "y": dual.given(y),
            "p": dual.probability((log_p, np.exp(log_q)), (log_q, -p)),
            "x": dual.given(at, 1.0),
        }
        if shares is not None:
            found["prior"] = dual.Dual((shares, 0.0), (np.log(shares), 0.0))
        return found

    def table(self, trees: Sequence[Tree]) -> np.ndarray:
        """Slopes of formulas, float32: records of curves (formulas, rows, cells, 8), or surfaces
        (formulas, directions, points, points).
        """
        with np.errstate(all="ignore"):
            if self.kind == "boxes":
                shape = (2, self.points, self.points)
                slopes = [dual.evaluate(tree, self.grid)[1] for tree in trees]
                return np.array([np.broadcast_to(s, shape) for s in slopes], np.float32)
            return np.array([self._curves(tree) for tree in trees], np.float32)

    def _curves(self, tree: Tree) -> np.ndarray:
        def slope(place: np.ndarray, row: np.ndarray) -> np.ndarray:
            found = dual.evaluate(tree, self.variables_in_cells(place, row))[1]
            return np.broadcast_to(found, place.shape)

        shape = (self.rows, self.points, len(PLACES))
        values = np.broadcast_to(dual.evaluate(tree, self.grid)[1], shape)
        return curves_of(values, slope if self.breaks else None)


def surface_variables(at: np.ndarray) -> dict[str, dual.Dual]:
    """Shares of areas on a grid, iou by u/e, with two directions of slope."""
    iou, uoe = at[:, None], at[None, :]
    flat = np.zeros((len(at), len(at)))
    along = np.stack([flat + 1.0, flat]), np.stack([flat, flat + 1.0])
    return {
        "iou": dual.given(iou + flat, along[0]),
        "uoe": dual.given(uoe + flat, along[1]),
        "ioe": dual.given(iou * uoe, np.stack([uoe + flat, iou + flat])),
    }
