"""Overlap losses that weigh each box by how well it fits already."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.losses.boxes.overlap import EIoU, boxes
from lossforge.losses.boxes.shape_overlap import offset
from lossforge.losses.safe_operators import real_power
from lossforge.ranges import Float


class WIoU(Loss):
    """IoU loss, larger for centres apart: attention by distance.

        loss = (1 - iou) exp((dx^2 + dy^2) / (W^2 + H^2))

    W, H are the sides of the hull, held constant, so that no gradient widens it. This is version
    1; versions 2 and 3 also weigh by a running mean over training, which a pure loss has not.

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...), in [0, e).
    Source: Tong et al. 2023, Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing
        Mechanism, equations 8 and 9.

    >>> float(WIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0
    """

    detached = True
    kinds = ("boxes",)
    source = "Tong et al. 2023, Wise-IoU"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        dx, dy = offset(y_true, y_pred)
        width, height = geometry.size(geometry.hull(y_true, y_pred))
        diagonal = ops.stop_gradient(ops.square(width) + ops.square(height))
        attention = ops.exp(geometry.divide(ops.square(dx) + ops.square(dy), diagonal))
        return (1.0 - geometry.iou(y_true, y_pred)) * attention


class FocalEIoU(EIoU):
    """EIoU weighed by how well the box fits: good boxes learn more, far ones less.

        loss = iou^gamma EIoU

    The factor is held constant: with its gradient the loss would push boxes with little overlap
    away from their target, where iou^gamma is least.

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); 0 for equal boxes, and for boxes that do not touch.
    Source: Zhang et al. 2022, Focal and Efficient IOU Loss for Accurate Bounding Box Regression,
        section 3.4.

    >>> float(FocalEIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0

    Args:
        gamma: how much good boxes are preferred, >= 0; the paper's 0.5.
    """

    detached = True
    reweighted = True
    search = {"gamma": Float(0.1, 2.0)}
    variants = ({}, {"gamma": 0.1})

    def __init__(self, gamma: float = 0.5, **base: Any) -> None:
        super().__init__(**base)
        self.gamma = check_range("FocalEIoU", "gamma", gamma, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        iou = geometry.iou(boxes(y_true, y_pred), y_pred)
        return ops.stop_gradient(real_power(iou, self.gamma)) * super().call(y_true, y_pred)
