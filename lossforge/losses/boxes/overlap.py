"""Overlap of boxes as losses: IoU and its successors that also pull when boxes do not touch."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.ranges import Choice


class IoU(Loss):
    """One minus the overlap of two boxes.

        linear   1 - iou        square   1 - iou^2        log   -log iou

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); flat for boxes that do not touch.
    Edges: in log mode iou is kept at 1e-6 or more; an empty box has IoU 0 with any.
    Source: Yu et al. 2016, UnitBox: An Advanced Object Detection Network.

    >>> float(IoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 0.5]]))
    0.5

    Args:
        mode: "linear", "square" or "log" (the paper's).
    """

    kinds = ("boxes",)
    source = "Yu et al. 2016, UnitBox"
    search = {"mode": Choice(("linear", "square", "log"))}
    variants = ({}, {"mode": "square"}, {"mode": "log"})

    def __init__(self, mode: str = "linear", **base: Any) -> None:
        super().__init__(**base)
        if mode not in ("linear", "square", "log"):
            raise ValueError(f"IoU: mode must be 'linear', 'square' or 'log', got {mode!r}.")
        self.mode = mode

    def call(self, y_true: Any, y_pred: Any) -> Any:
        iou = geometry.iou(boxes(y_true, y_pred), y_pred)
        if self.mode == "log":
            return -ops.log(ops.maximum(iou, 1e-6))
        return 1.0 - (iou * iou if self.mode == "square" else iou)


class GIoU(Loss):
    """Box overlap that still pulls when the boxes do not touch.

    IoU is flat for boxes apart. GIoU also counts the share of their hull that neither covers, so
    the gradient points them together.

        loss = 1 - inter / union + (hull - union) / hull          in [0, 2]

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); 0 when equal, towards 2 when far apart.
    Edges: two equal empty boxes cost 1; NaN in gives NaN out.
    Source: Rezatofighi et al. 2019, Generalized Intersection over Union, algorithm 1.

    >>> float(GIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0
    """

    kinds = ("boxes",)
    source = "Rezatofighi et al. 2019, Generalized Intersection over Union"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        union = geometry.union(y_true, y_pred)
        hull = geometry.area(geometry.hull(y_true, y_pred))
        return 1.0 - geometry.iou(y_true, y_pred) + geometry.divide(hull - union, hull)


class DIoU(Loss):
    """Box overlap that also pulls the centres together.

        loss = 1 - iou + |centre - centre'|^2 / diagonal(hull)^2          in [0, 2]

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...).
    Source: Zheng et al. 2020, Distance-IoU Loss: Faster and Better Learning for Bounding Box
        Regression, equation 7.

    >>> float(DIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0
    """

    kinds = ("boxes",)
    source = "Zheng et al. 2020, Distance-IoU Loss"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        return 1.0 - geometry.iou(y_true, y_pred) + centre_distance(y_true, y_pred)


class CIoU(Loss):
    """DIoU that also compares aspect ratios.

        v = 4 / pi^2 (atan(w / h) - atan(w' / h'))^2,   a = v / (1 - iou + v), held constant
        loss = 1 - iou + |centre - centre'|^2 / diagonal(hull)^2 + a v

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...).
    Edges: an empty box has aspect angle 0; a is 0 where boxes are equal.
    Source: Zheng et al. 2020, Distance-IoU Loss, equations 8 to 11 (a without gradient, as there).

    >>> float(CIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0
    """

    detached = True
    kinds = ("boxes",)
    source = "Zheng et al. 2020, Distance-IoU Loss"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        iou = geometry.iou(y_true, y_pred)
        v = 4.0 / math.pi**2 * ops.square(aspect_angle(y_true) - aspect_angle(y_pred))
        a = ops.stop_gradient(geometry.divide(v, 1.0 - iou + v))
        return 1.0 - iou + centre_distance(y_true, y_pred) + a * v


class EIoU(Loss):
    """DIoU that also compares width and height, each by itself.

        loss = 1 - iou + |centre - centre'|^2 / diagonal(hull)^2
               + (w - w')^2 / hull_w^2 + (h - h')^2 / hull_h^2

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...).
    Source: Zhang et al. 2022, Focal and Efficient IOU Loss for Accurate Bounding Box Regression.

    >>> float(EIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0
    """

    kinds = ("boxes",)
    source = "Zhang et al. 2022, Focal and Efficient IOU Loss"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        (w, h), (w2, h2) = geometry.size(y_true), geometry.size(y_pred)
        hull_w, hull_h = geometry.size(geometry.hull(y_true, y_pred))
        sides = geometry.divide(ops.square(w - w2), ops.square(hull_w))
        sides = sides + geometry.divide(ops.square(h - h2), ops.square(hull_h))
        return 1.0 - geometry.iou(y_true, y_pred) + centre_distance(y_true, y_pred) + sides


def boxes(y_true: Any, y_pred: Any) -> Any:
    if y_pred.shape[-1] != 4:
        raise ValueError(
            f"Box losses read (..., 4) x1 y1 x2 y2, got predictions of {tuple(y_pred.shape)}."
        )
    return ops.cast(y_true, y_pred.dtype)


def centre_distance(a: Any, b: Any) -> Any:
    """Squared distance of the centres over the squared diagonal of the hull, in [0, 1]."""
    (ax, ay), (bx, by) = geometry.centre(a), geometry.centre(b)
    width, height = geometry.size(geometry.hull(a, b))
    distance = ops.square(ax - bx) + ops.square(ay - by)
    return geometry.divide(distance, ops.square(width) + ops.square(height))


def aspect_angle(box: Any) -> Any:
    """atan(w / h), with 0 and a finite slope for an empty box."""
    width, height = geometry.size(box)
    real = ops.logical_and(width > 0, height > 0)
    width, height = ops.where(real, width, 1.0), ops.where(real, height, 1.0)
    return ops.where(real, ops.arctan2(width, height), 0.0)
