"""IoU with separate costs for where a box is and what shape it has."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.losses.boxes.overlap import boxes
from lossforge.ranges import Float


class SIoU(Loss):
    """Box overlap, with a pull along the nearest axis first, and a cost of the shape.

        angle      A = 2 |dx| |dy| / (dx^2 + dy^2)                         dx, dy of the centres
        distance   D = sum over x, y of 1 - exp(-(2 - A) (d / hull side)^2)
        shape      S = sum over w, h of (1 - exp(-|side - side'| / max(side, side')))^theta
        loss = 1 - iou + (D + S) / 2

    A is the paper's 1 - 2 sin^2(arcsin(|dy| / sigma) - pi / 4) without the arcsin, whose slope is
    infinite on the axes.

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); 0 for equal boxes, below 3.
    Edges: coincident centres have A = 0.
    Source: Gevorgyan 2022, SIoU Loss: More Powerful Learning for Bounding Box Regression.

    >>> float(SIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0

    Args:
        theta: how little attention the shape gets, >= 1; the paper's 4.
    """

    kinds = ("boxes",)
    source = "Gevorgyan 2022, SIoU Loss"
    search = {"theta": Float(2.0, 6.0)}
    variants = ({}, {"theta": 1.5})

    def __init__(self, theta: float = 4.0, **base: Any) -> None:
        super().__init__(**base)
        self.theta = check_range("SIoU", "theta", theta, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        dx, dy = offset(y_true, y_pred)
        width, height = geometry.size(geometry.hull(y_true, y_pred))
        angle = geometry.divide(2.0 * ops.abs(dx * dy), ops.square(dx) + ops.square(dy))
        distance = 0.0
        for d, side in ((dx, width), (dy, height)):
            distance = distance - ops.expm1((angle - 2.0) * ops.square(geometry.divide(d, side)))
        shape = shape_cost(y_true, y_pred, self.theta)
        return 1.0 - geometry.iou(y_true, y_pred) + 0.5 * (distance + shape)


class ShapeIoU(Loss):
    """Box overlap whose distance and shape costs are weighed by the shape of the target.

        ww = 2 w^s / (w^s + h^s),  hh = 2 h^s / (w^s + h^s)       w, h of the target
        loss = 1 - iou + (hh dx^2 + ww dy^2) / diagonal(hull)^2 + S / 2
        S = (1 - exp(-hh |w - w'| / max(w, w')))^theta + (1 - exp(-ww |h - h'| / max(h, h')))^theta

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); 0 for equal boxes.
    Edges: scale = 0 weighs both sides alike.
    Source: Zhang and Zhang 2023, Shape-IoU: More Accurate Metric considering Bounding Box Shape
        and Scale, equations 2 to 9.

    >>> float(ShapeIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0

    Args:
        scale: s, how much the target's shape weighs, in [0, 10]; larger for small objects.
        theta: how little attention the shape gets, >= 1; the paper's 4.
    """

    kinds = ("boxes",)
    source = "Zhang and Zhang 2023, Shape-IoU"
    search = {"scale": Float(0.0, 3.0), "theta": Float(2.0, 6.0)}
    variants = ({}, {"scale": 1.5, "theta": 2.0})

    def __init__(self, scale: float = 0.0, theta: float = 4.0, **base: Any) -> None:
        super().__init__(**base)
        self.scale = check_range("ShapeIoU", "scale", scale, 0.0, 10.0)
        self.theta = check_range("ShapeIoU", "theta", theta, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        width, height = (ops.log(ops.maximum(side, 1e-12)) for side in geometry.size(y_true))
        wide = 2.0 * ops.sigmoid(self.scale * (width - height))
        high = 2.0 - wide
        dx, dy = offset(y_true, y_pred)
        hull_w, hull_h = geometry.size(geometry.hull(y_true, y_pred))
        distance = geometry.divide(
            high * ops.square(dx) + wide * ops.square(dy), ops.square(hull_w) + ops.square(hull_h)
        )
        shape = shape_cost(y_true, y_pred, self.theta, high, wide)
        return 1.0 - geometry.iou(y_true, y_pred) + distance + 0.5 * shape


def offset(a: Any, b: Any) -> tuple[Any, Any]:
    """From the centre of a to that of b."""
    (ax, ay), (bx, by) = geometry.centre(a), geometry.centre(b)
    return bx - ax, by - ay


def shape_cost(a: Any, b: Any, theta: float, width_factor: Any = 1.0, height_factor: Any = 1.0):
    """How far the sides are apart, each relative to the larger, in [0, 2]."""
    cost = 0.0
    factors = (width_factor, height_factor)
    for one, other, factor in zip(geometry.size(a), geometry.size(b), factors, strict=True):
        relative = geometry.divide(ops.abs(one - other), ops.maximum(one, other))
        cost = cost + ops.power(-ops.expm1(-factor * relative), theta)
    return cost
