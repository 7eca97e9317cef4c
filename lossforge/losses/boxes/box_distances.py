"""Distances of boxes in place of, or beside, their overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.losses.boxes.overlap import boxes
from lossforge.losses.boxes.shape_overlap import offset
from lossforge.losses.safe_operators import safe_sqrt
from lossforge.ranges import Float


class MPDIoU(Loss):
    """Box overlap that also pulls two corners to their places.

        loss = 1 - iou + (|x1y1 - x1y1'|^2 + |x2y2 - x2y2'|^2) / (W^2 + H^2)

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); 0 for equal boxes.
    Source: Ma and Xu 2023, MPDIoU: A Loss for Efficient and Accurate Bounding Box Regression,
        algorithm 1.

    >>> float(MPDIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0

    Args:
        image_size: height and width of the image in the unit of the boxes, > 0; (1, 1) for boxes
            as shares of the image.
    """

    kinds = ("boxes",)
    source = "Ma and Xu 2023, MPDIoU"
    variants = ({}, {"image_size": [2.0, 3.0]})

    def __init__(self, image_size: Sequence[float] = (1.0, 1.0), **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(image_size, Sequence) or len(image_size) != 2:
            raise ValueError(f"MPDIoU: image_size must be (height, width), got {image_size!r}.")
        self.image_size = [check_range("MPDIoU", "image_size", s, 1e-6) for s in image_size]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        height, width = self.image_size
        corners = ops.sum(ops.square(y_pred - y_true), axis=-1) / (height**2 + width**2)
        return 1.0 - geometry.iou(y_true, y_pred) + corners


class BoundedIoU(Loss):
    """Smooth L1 of the largest IoU that each coordinate alone would still allow.

        l_x = 1 - max(0, (w - 2 |dx|) / (w + 2 |dx|)),  l_y likewise with h
        l_w = 1 - min(w / w', w' / w),                  l_h likewise
        loss = sum of the four: l^2 / (2 beta) where l < beta, else l - beta / 2

    w, h are the target's sides, w', h' the prediction's, dx, dy the offset of the centres.

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...), in [0, 4).
    Edges: flat in a coordinate of which the boxes are further apart than half a side.
    Source: Tychsen-Smith and Petersson 2018, Improving Object Localization with Fitness NMS and
        Bounded IoU Loss, section 4 (smooth L1 with beta, as in the common implementation).

    >>> float(BoundedIoU()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0

    Args:
        beta: where the quadratic part ends, in (0, 1]; 0.2.
    """

    kinds = ("boxes",)
    source = "Tychsen-Smith and Petersson 2018, Fitness NMS and Bounded IoU Loss"
    search = {"beta": Float(0.05, 1.0)}
    variants = ({}, {"beta": 0.7})

    def __init__(self, beta: float = 0.2, **base: Any) -> None:
        super().__init__(**base)
        self.beta = check_range("BoundedIoU", "beta", beta, 1e-6, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        total = 0.0
        distances, sides = offset(y_true, y_pred), geometry.size(y_true)
        for d, side, other in zip(distances, sides, geometry.size(y_pred), strict=True):
            d = 2.0 * ops.abs(d)
            place = 1.0 - ops.maximum(geometry.divide(side - d, side + d), 0.0)
            smaller, larger = ops.minimum(side, other), ops.maximum(side, other)
            total = total + self._smooth(place)
            total = total + self._smooth(geometry.divide(larger - smaller, larger))
        return total

    def _smooth(self, loss: Any) -> Any:
        near = ops.minimum(loss, self.beta)
        return near * near / (2.0 * self.beta) + (loss - near)


class NWD(Loss):
    """Boxes as Gaussians, and their Wasserstein distance: smooth for tiny objects.

        W^2 = dx^2 + dy^2 + ((w - w')^2 + (h - h')^2) / 4
        loss = 1 - exp(-W / scale)

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...), in [0, 1).
    Edges: flat at many scales' distance; equal boxes have slope 0.
    Source: Wang et al. 2021, A Normalized Gaussian Wasserstein Distance for Tiny Object Detection.

    >>> float(NWD()([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]))
    0.0

    Args:
        scale: the mean size of objects, > 0, in the unit of the boxes. The paper's 12.8 is in
            pixels, for AI-TOD; for boxes as shares of the image take something like 0.1.
    """

    kinds = ("boxes",)
    source = "Wang et al. 2021, A Normalized Gaussian Wasserstein Distance"
    search = {"scale": Float(0.02, 100.0, log=True)}
    variants = ({}, {"scale": 0.3})

    def __init__(self, scale: float = 12.8, **base: Any) -> None:
        super().__init__(**base)
        self.scale = check_range("NWD", "scale", scale, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        dx, dy = offset(y_true, y_pred)
        (w, h), (w2, h2) = geometry.size(y_true), geometry.size(y_pred)
        shapes = 0.25 * (ops.square(w - w2) + ops.square(h - h2))
        distance = safe_sqrt(ops.square(dx) + ops.square(dy) + shapes)
        return -ops.expm1(-distance / self.scale)
