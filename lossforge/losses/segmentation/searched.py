"""Overlap losses found by search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.segmentation.regions import RegionLoss, divide, spatial_sum
from lossforge.ranges import Float

INTERSECTION = ((0.0005697, 0.64372), (0.33859, 0.70554), (0.62528, 0.77955))
UNION = ((0.69038, 0.01306), (0.83417, 0.96243), (0.94300, 0.98004))


class AutoSeg(RegionLoss):
    """IoU whose logical AND and OR of probabilities are curves found by search.

        loss = mean_c 1 - (sum_i I(p_i) y_i + smooth) / (sum_i U(p_i) + y_i - U(p_i) y_i + smooth)

    over the pixels i of one image (the paper sums over the batch: `Pooled(AutoSeg())`). I and U
    rise from (0, 0) to (1, 1) in two quadratic Bézier pieces, which meet at the second of three
    control points. The defaults are those that the paper found for mean IoU.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,) in [0, 1].
    Edges: an absent class predicted nowhere costs 0. The found I is steep at 0, slope 1130.
    Source: Li et al. 2021, Auto Seg-Loss: Searching Metric Surrogates for Semantic Segmentation.

    >>> float(AutoSeg()([[[1.0], [0.0]]], [[[1.0], [0.0]]]))
    0.0

    Args:
        intersection: three control points (x, y) of I, x rising strictly within (0, 1).
        union: three control points (x, y) of U.
        smooth: added above and below, >= 0; in pixels.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for points out of range or out of order.
    """

    pools = True
    kinds = ("mask", "class_mask")
    source = "Li et al. 2021, Auto Seg-Loss"
    search = {"smooth": Float(1e-3, 10.0, log=True)}
    variants = (
        {},
        {"from_logits": True, "smooth": 0.1},
        {
            "intersection": [[0.3, 0.2], [0.5, 0.5], [0.8, 0.9]],
            "union": [[0.25, 0.3], [0.5, 0.6], [0.75, 0.7]],
        },
    )

    def __init__(
        self,
        intersection: Sequence[Sequence[float]] = INTERSECTION,
        union: Sequence[Sequence[float]] = UNION,
        smooth: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.intersection = checked_points("intersection", intersection)
        self.union = checked_points("union", union)
        self.smooth = check_range("AutoSeg", "smooth", smooth, 0.0)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        shared = spatial_sum(curve(p, self.intersection) * y, weight)
        union = spatial_sum(y + curve(p, self.union) * (1.0 - y), weight)
        return self.class_mean(divide(union - shared, union + self.smooth))


def curve(p: Any, points: Sequence[Sequence[float]]) -> Any:
    """y at x = p on two quadratic Bézier pieces from (0, 0) to (1, 1)."""
    first, joint, last = points
    left = piece(ops.minimum(p, joint[0]), (0.0, 0.0), first, joint)
    right = piece(ops.maximum(p, joint[0]), joint, last, (1.0, 1.0))
    return ops.where(p < joint[0], left, right)


def piece(x: Any, start: Sequence[float], middle: Sequence[float], end: Sequence[float]) -> Any:
    """A quadratic Bézier curve read as a function of x; its s in [0, 1] solves x(s) = x."""
    b = 2.0 * (middle[0] - start[0])
    a = start[0] - 2.0 * middle[0] + end[0]
    gap = x - start[0]
    s = 2.0 * gap / (b + ops.sqrt(b * b + 4.0 * a * gap))
    below = (1.0 - s) * start[1] + s * middle[1]
    return (1.0 - s) * below + s * ((1.0 - s) * middle[1] + s * end[1])


def checked_points(name: str, points: Sequence[Sequence[float]]) -> list[list[float]]:
    numbers = [[check_range("AutoSeg", name, v, 0.0, 1.0) for v in point] for point in points]
    if len(numbers) != 3 or any(len(point) != 2 for point in numbers):
        raise ValueError(f"AutoSeg: {name} must be three points (x, y), got {points!r}.")
    x = [0.0, *(point[0] for point in numbers), 1.0]
    if not all(low < high for low, high in zip(x, x[1:], strict=False)):
        raise ValueError(f"AutoSeg: the x of {name} must rise between 0 and 1, got {points!r}.")
    return numbers
