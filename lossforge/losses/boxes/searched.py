"""Box losses found by search."""

from __future__ import annotations

from typing import Any

from lossforge.losses.base import Loss
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.losses.boxes.overlap import boxes
from lossforge.ranges import Choice


class AutoBox(Loss):
    """The two box losses that an evolutionary search found on COCO.

        found="A"   ratio   2 - i/u - i/e                pixel   (1 - i/u) + (1 - (i + 2)/e)
        found="B"   ratio   -3 e / (3 e - i - u)
                    pixel   -3 (e u + 4 e + i + u + 6) / ((u + 5) (3 e - i - u))

    i, u, e: areas of the intersection, the union and the hull. The paper's forms add numbers to
    areas and so mean square pixels: of boxes as shares of the image, a perfect one would cost
    -50 to -93. `units="ratio"` is their limit for large areas, the same in every unit.

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); at equal boxes 0 (A) or -3 (B) in ratios.
    Edges: in ratios A is in [0, 2] and B in [-3, -1]: negative, as it was found.
    Source: Liu et al. 2021, Loss Function Discovery for Object Detection via
        Convergence-Simulation Driven Search, table 6.

    >>> float(AutoBox("B")([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    -3.0

    Args:
        found: "A" or "B".
        units: "ratio", or "pixel" for the paper's form on boxes in pixels.

    Raises:
        ValueError: for other values.
    """

    kinds = ("boxes",)
    source = "Liu et al. 2021, Loss Function Discovery for Object Detection"
    minimum = None
    search = {"found": Choice(("A", "B"))}
    variants = (
        {},
        {"found": "B"},
        {"units": "pixel"},
        {"found": "B", "units": "pixel"},
    )

    def __init__(self, found: str = "A", units: str = "ratio", **base: Any) -> None:
        super().__init__(**base)
        if found not in ("A", "B"):
            raise ValueError(f"AutoBox: found must be 'A' or 'B', got {found!r}.")
        if units not in ("ratio", "pixel"):
            raise ValueError(f"AutoBox: units must be 'ratio' or 'pixel', got {units!r}.")
        self.found = found
        self.units = units

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        i, u = geometry.intersection(y_true, y_pred), geometry.union(y_true, y_pred)
        e = geometry.area(geometry.hull(y_true, y_pred))
        pixel = self.units == "pixel"
        if self.found == "A":
            return 2.0 - geometry.divide(i, u) - geometry.divide(i + 2.0 if pixel else i, e)
        loss = -3.0 * geometry.divide(e, 3.0 * e - i - u)
        if not pixel:
            return loss
        # (e u + 4 e + i + u + 6) / (u + 5) = e + (u + i + 6 - e) / (u + 5): no product of areas
        rest = (u + i + 6.0 - e) / (u + 5.0)
        return loss - 3.0 * geometry.divide(rest, 3.0 * e - i - u)
