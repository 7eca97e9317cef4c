"""Overlap losses that weigh each box by how well it fits already."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.losses.boxes.overlap import boxes
from lossforge.losses.boxes.shape_overlap import offset


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
