"""Losses that weigh an error by its distance from the edge of the object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.segmentation.distance_maps import edge_distance, signed_distance
from lossforge.losses.segmentation.regions import (
    RegionLoss,
    hide,
    neighbours,
    spatial_axes,
    spatial_mean,
)
from lossforge.ranges import Choice, Float


class Boundary(RegionLoss):
    """What the predicted object costs at each pixel: far outside much, deep inside less than 0.

        loss = mean_c mean_i phi_ic p_ic

    phi is the distance in pixels to the object outside of it; inside it is minus the distance to
    the background, plus 1: 0 on the object's own outermost pixels, as in the authors' code. The
    paper adds it to an overlap loss, with a weight that grows from 0.01 by 0.01 an epoch.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial); with `precomputed=True` the
        maps phi themselves, (batch, *spatial, C).
    Returns: (batch,); may be negative, least at the perfect prediction.
    Edges: a class that is absent from an image, or fills it, has no edge and costs 0. Pixels that
        do not count are background to the distances of the others.
    Source: Kervadec et al. 2019, Boundary Loss for Highly Unbalanced Segmentation.

    >>> float(Boundary()([[[1.0], [0.0], [0.0]]], [[[1.0], [0.0], [0.5]]]))
    0.3333333432674408

    Args:
        precomputed: whether `y_true` holds distance maps; they save the time to compute them.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.
    """

    minimum = None
    kinds = ("mask", "class_mask")
    source = "Kervadec et al. 2019, Boundary Loss for Highly Unbalanced Segmentation"
    variants = ({}, {"from_logits": True})

    def __init__(
        self,
        precomputed: bool = False,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.precomputed = bool(precomputed)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        phi = y if self.precomputed else signed_distance(hide(y, weight) > 0.5, self.dtype)
        return self.class_mean(spatial_mean(phi * p, weight))


class HausdorffDistance(RegionLoss):
    """Squared errors, heavier the farther they lie from the edges of both masks.

        loss = mean_c f(mean_i (p_i - y_i)^2 (d_p,i^alpha + d_y,i^alpha)),  f(x) = x or log(1 + x)

    d_y and d_p are the distances in pixels to the other side of the edge of the target and of the
    prediction cut at 0.5. The latter changes in steps, so that no gradient flows through it.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,), >= 0.
    Edges: a mask that is empty or full has no edge and distance 0; where both are, the image costs
        0 without a slope, so add an overlap loss. Pixels that do not count are background to the
        distances of the others.
    Source: Karimi and Salcudean 2019, Reducing the Hausdorff Distance in Medical Image
        Segmentation with Convolutional Neural Networks.

    >>> round(float(HausdorffDistance()([[[1.0], [0.0], [0.0]]], [[[1.0], [0.0], [0.4]]])), 4)
    0.4267

    Args:
        alpha: how fast far errors grow, > 0; the paper's best 2.
        log: whether the logarithm is taken, which tames large images.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("mask", "class_mask")
    source = "Karimi and Salcudean 2019, Reducing the Hausdorff Distance"
    search = {"alpha": Float(0.5, 3.0), "log": Choice((False, True))}
    variants = ({}, {"from_logits": True, "alpha": 1.0}, {"log": True})

    def __init__(
        self,
        alpha: float = 2.0,
        log: bool = False,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.alpha = check_range("HausdorffDistance", "alpha", alpha, 1e-3)
        self.log = bool(log)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        distance = 0.0
        for x in (y, p):
            far = edge_distance(ops.stop_gradient(hide(x, weight)) > 0.5, self.dtype)
            distance = distance + ops.power(far, self.alpha)
        values = spatial_mean(ops.square(p - y) * distance, weight)
        return self.class_mean(ops.log1p(values) if self.log else values)


class HausdorffErosion(RegionLoss):
    """Squared errors, heavier the more erosions they survive: thick mistakes, not thin ones.

        e_0 = (p - y)^2,   e_k = 2 max(0, mean of e_{k-1} over the cross of neighbours - 1/2)
        loss = mean_c mean_i sum_{k=1..K} k^alpha e_k,i

    The paper's soft erosion averages over a pixel and its direct neighbours and cuts at one half;
    the factor 2 keeps a region of 1 at 1. (Some libraries stretch each e_k to [0, 1] by its least
    and largest pixel instead, which enlarges small errors.) Outside the image there is no error.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,), >= 0.
    Edges: errors thinner than two pixels cost 0 without a slope: add an overlap loss.
    Source: Karimi and Salcudean 2019, Reducing the Hausdorff Distance in Medical Image
        Segmentation with Convolutional Neural Networks.

    >>> loss = HausdorffErosion(erosions=1)
    >>> round(float(loss([[[0.0], [0.0], [0.0]]], [[[1.0], [1.0], [1.0]]])), 4)
    0.5556

    Args:
        alpha: how fast the price grows with k, > 0; the paper's 2.
        erosions: K >= 1; errors deeper than K pixels cost no more.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("mask", "class_mask")
    source = "Karimi and Salcudean 2019, Reducing the Hausdorff Distance"
    search = {"alpha": Float(0.5, 3.0)}
    variants = ({}, {"from_logits": True, "alpha": 1.0, "erosions": 2})

    def __init__(
        self,
        alpha: float = 2.0,
        erosions: int = 10,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.alpha = check_range("HausdorffErosion", "alpha", alpha, 1e-3)
        self.erosions = int(check_range("HausdorffErosion", "erosions", erosions, 1))

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        error = hide(ops.square(p - y), weight)
        total = ops.zeros_like(error)
        for k in range(1, self.erosions + 1):
            error = 2.0 * ops.maximum(cross_mean(error) - 0.5, 0.0)
            total = total + k**self.alpha * error
        return self.class_mean(spatial_mean(total, weight))


def cross_mean(x: Any) -> Any:
    """The mean of each pixel and its direct neighbours, with zeros around the image."""
    total = x
    for axis in spatial_axes(x):
        before, after = neighbours(x, axis, "constant")
        total = total + before + after
    return total / (1.0 + 2.0 * len(spatial_axes(x)))
