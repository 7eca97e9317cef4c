"""Losses of thin structures (vessels, roads), whose centrelines must stay connected."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.segmentation.regions import (
    RegionLoss,
    divide,
    hide,
    neighbours,
    overlap,
    spatial_axes,
    spatial_sum,
)
from lossforge.ranges import Choice, Float


class ClDice(RegionLoss):
    """Whether each mask holds the centreline of the other; a gap in a vessel costs much.

        T_prec = (sum_i S(p)_i y_i + smooth) / (sum_i S(p)_i + smooth)
        T_sens = (sum_i S(y)_i p_i + smooth) / (sum_i S(y)_i + smooth)
        loss = mean_c 1 - 2 T_prec T_sens / (T_prec + T_sens)

    S is the soft skeleton: what an opening with the cross of neighbours removes, collected over
    repeated erosions. The paper uses it beside Dice:
    `Composite({"dice": (0.5, Dice()), "lines": (0.5, ClDice())})`.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,) in [0, 1].
    Edges: an empty mask predicted empty costs 0. The image goes on beyond its border as it is
        there. Pixels that do not count are background to the skeletons.
    Source: Shit et al. 2021, clDice: a Novel Topology-Preserving Loss Function for Tubular
        Structure Segmentation, algorithms 1 and 2.

    >>> line = [[[0.0], [1.0], [0.0], [0.0]]]
    >>> float(ClDice()(line, line))
    0.0

    Args:
        iterations: erosions, >= 0; at least the largest radius of a vessel in pixels.
        smooth: added above and below, > 0; in pixels.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("mask", "class_mask")
    source = "Shit et al. 2021, clDice"
    search = {"smooth": Float(1e-3, 10.0, log=True)}
    variants = ({}, {"from_logits": True, "iterations": 1, "smooth": 0.1})

    def __init__(
        self,
        iterations: int = 3,
        smooth: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.iterations = int(check_range("ClDice", "iterations", iterations, 0))
        self.smooth = check_range("ClDice", "smooth", smooth, 1e-12)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        y, p = hide(y, weight), hide(p, weight)
        precision = self._share(skeleton(p, self.iterations), y, weight)
        sensitivity = self._share(skeleton(y, self.iterations), p, weight)
        return self.class_mean(1.0 - 2.0 * precision * sensitivity / (precision + sensitivity))

    def _share(self, line: Any, mask: Any, weight: Any) -> Any:
        held = spatial_sum(line * mask, weight) + self.smooth
        return held / (spatial_sum(line, weight) + self.smooth)


class SkeletonRecall(RegionLoss):
    """The share of the target's thickened centreline that the prediction misses.

        loss = mean_c 1 - (sum_i T_i p_i + smooth) / (sum_i T_i + smooth)

    T is the soft skeleton of the target, widened by `width` pixels and cut at the target itself:
    no skeleton of the prediction, so it costs little more than Dice, beside which it is used.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,) in [0, 1].
    Edges: recall alone does not price false positives: 0 also where everything is predicted. A
        class that is absent costs 0.
    Source: Kirchhoff et al. 2024, Skeleton Recall Loss for Connectivity Conserving and Resource
        Efficient Segmentation of Thin Tubular Structures.

    >>> float(SkeletonRecall(smooth=0.0)([[[0.0], [1.0], [0.0]]], [[[0.5], [0.25], [0.0]]]))
    0.75

    Args:
        width: pixels by which the skeleton is widened, >= 0; the paper's tube has 2.
        iterations: erosions to find the skeleton, >= 0; at least the radius of a vessel.
        smooth: added above and below, >= 0; in pixels.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("mask", "class_mask")
    source = "Kirchhoff et al. 2024, Skeleton Recall Loss"
    search = {"width": Choice((0, 1, 2, 3))}
    variants = ({}, {"from_logits": True, "width": 0, "iterations": 1, "smooth": 0.1})

    def __init__(
        self,
        width: int = 2,
        iterations: int = 5,
        smooth: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.width = int(check_range("SkeletonRecall", "width", width, 0))
        self.iterations = int(check_range("SkeletonRecall", "iterations", iterations, 0))
        self.smooth = check_range("SkeletonRecall", "smooth", smooth, 0.0)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        y = hide(y, weight)
        tube = skeleton(y, self.iterations)
        for _ in range(self.width):
            tube = dilated(tube)
        tube = tube * y
        length = spatial_sum(tube, weight)
        missed = spatial_sum(tube - overlap(tube, p), weight)
        return self.class_mean(divide(missed, length + self.smooth))


def skeleton(x: Any, iterations: int) -> Any:
    """The soft skeleton of masks in [0, 1]: what openings remove while the mask is eroded."""
    found = ops.maximum(x - dilated(eroded(x)), 0.0)
    for _ in range(iterations):
        x = eroded(x)
        removed = ops.maximum(x - dilated(eroded(x)), 0.0)
        found = found + ops.maximum(removed - found * removed, 0.0)
    return found


def eroded(x: Any) -> Any:
    """The least over the cross of direct neighbours."""
    least: list[Any] = []
    for axis in spatial_axes(x):
        least += neighbours(x, axis, "symmetric")
    return functools.reduce(ops.minimum, least, x)


def dilated(x: Any) -> Any:
    """The most over the box of all neighbours."""
    for axis in spatial_axes(x):
        before, after = neighbours(x, axis, "symmetric")
        x = ops.maximum(ops.maximum(before, after), x)
    return x
