"""IoU and its successors, bent: raised to a power, taken on scaled boxes, or with penalties."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.losses.boxes.overlap import aspect_angle, boxes, centre_distance
from lossforge.losses.safe_operators import real_power
from lossforge.ranges import Choice, Float

PENALTIES = ("none", "giou", "diou", "ciou")


class AlphaIoU(Loss):
    """IoU and its penalties raised to a power: more weight for boxes that already fit.

        none    1 - iou^alpha
        giou    1 - iou^alpha + ((hull - union) / hull)^alpha
        diou    1 - iou^alpha + (|centre - centre'|^2 / diagonal(hull)^2)^alpha
        ciou    as diou, + (a v)^alpha, with a and v as in CIoU and a held constant

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); 0 for equal boxes.
    Edges: alpha = 1 is IoU, GIoU, DIoU or CIoU. A power of 0 has slope 0.
    Source: He et al. 2021, Alpha-IoU: A Family of Power Intersection over Union Losses for
        Bounding Box Regression, equations 3 and 4.

    >>> float(AlphaIoU(alpha=2.0)([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 0.5]]))
    0.75

    Args:
        alpha: the power, >= 0.1; the paper's 3.
        penalty: "none", "giou", "diou" or "ciou".
    """

    detached = True
    kinds = ("boxes",)
    source = "He et al. 2021, Alpha-IoU"
    search = {"alpha": Float(0.5, 5.0), "penalty": Choice(PENALTIES)}
    variants = (
        {},
        {"alpha": 0.5, "penalty": "giou"},
        {"alpha": 2.0, "penalty": "diou"},
        {"penalty": "ciou"},
    )

    def __init__(self, alpha: float = 3.0, penalty: str = "none", **base: Any) -> None:
        super().__init__(**base)
        self.alpha = check_range("AlphaIoU", "alpha", alpha, 0.1)
        self.penalty = check_penalty("AlphaIoU", penalty)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        loss = 1.0 - real_power(geometry.iou(y_true, y_pred), self.alpha)
        for term in penalties(self.penalty, y_true, y_pred):
            loss = loss + real_power(term, self.alpha)
        return loss


class InnerIoU(Loss):
    """IoU of both boxes scaled about their centres: sharper for small, further for large scales.

        loss = 1 - iou(scaled(y_true), scaled(y_pred)) + penalty

    A ratio below 1 has steeper slopes for boxes that almost fit, above 1 it reaches boxes further
    apart. The penalty, that of GIoU, DIoU or CIoU, is taken of the boxes as they are.

    Reads: y_true, y_pred: (batch, ..., 4), x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2.
    Returns: (batch, ...); 0 for equal boxes.
    Edges: ratio = 1 is IoU, GIoU, DIoU or CIoU.
    Source: Zhang et al. 2023, Inner-IoU: More Effective Intersection over Union Loss with
        Auxiliary Bounding Box, equations 1 to 12.

    >>> float(InnerIoU(ratio=2.0)([[0.0, 0.0, 2.0, 2.0]], [[0.0, 0.0, 2.0, 2.0]]))
    0.0

    Args:
        ratio: of the sides, in [0.1, 10]; the paper's range is [0.5, 1.5].
        penalty: "none", "giou", "diou" or "ciou".
    """

    detached = True
    kinds = ("boxes",)
    source = "Zhang et al. 2023, Inner-IoU"
    search = {"ratio": Float(0.5, 1.5), "penalty": Choice(PENALTIES)}
    variants = (
        {},
        {"ratio": 1.3, "penalty": "giou"},
        {"ratio": 0.5, "penalty": "diou"},
        {"penalty": "ciou"},
    )

    def __init__(self, ratio: float = 0.75, penalty: str = "none", **base: Any) -> None:
        super().__init__(**base)
        self.ratio = check_range("InnerIoU", "ratio", ratio, 0.1, 10.0)
        self.penalty = check_penalty("InnerIoU", penalty)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        inner = geometry.iou(self._scaled(y_true), self._scaled(y_pred))
        return 1.0 - inner + sum(penalties(self.penalty, y_true, y_pred))

    def _scaled(self, box: Any) -> Any:
        (x, y), (width, height) = geometry.centre(box), geometry.size(box)
        sides = ops.stack([x, y, self.ratio * width, self.ratio * height], axis=-1)
        return geometry.to_corners(sides)


def check_penalty(loss: str, penalty: str) -> str:
    if penalty not in PENALTIES:
        names = ", ".join(repr(name) for name in PENALTIES)
        raise ValueError(f"{loss}: penalty must be one of {names}, got {penalty!r}.")
    return penalty


def penalties(name: str, a: Any, b: Any) -> list[Any]:
    """What GIoU, DIoU or CIoU add to 1 - iou."""
    if name == "none":
        return []
    if name == "giou":
        hull = geometry.area(geometry.hull(a, b))
        return [geometry.divide(hull - geometry.union(a, b), hull)]
    if name == "diou":
        return [centre_distance(a, b)]
    v = 4.0 / math.pi**2 * ops.square(aspect_angle(a) - aspect_angle(b))
    factor = ops.stop_gradient(geometry.divide(v, 1.0 - geometry.iou(a, b) + v))
    return [centre_distance(a, b), factor * v]
