"""Overlap of masks as losses: Dice, Jaccard and Tversky, whose terms are sums over an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.classification.log_probabilities import safe_log
from lossforge.losses.segmentation.overlap_sums import overlap_sums
from lossforge.losses.segmentation.regions import RegionLoss, divide, spatial_sum, targets
from lossforge.ranges import Choice, Float

MODES = ("linear", "log", "log_cosh")


class Dice(RegionLoss):
    """One minus the share of two masks that they have in common, twice over their sizes.

        dice_c = (2 sum_i t_ic + smooth) / (sum_i y_ic + sum_i p_ic + smooth),  t = min(y, p)
        loss = mean_c f(dice_c),   f = 1 - dice (linear), -log dice, or log cosh(1 - dice)

    over the pixels i of one image; `squared` sums y^2, p^2 and t = y p instead. t is y p for hard
    labels; for soft ones it is least at p = y, where the product is not. Over the whole batch:
    `Pooled(Dice())`. With cross-entropy: `Composite({"dice": Dice(), "ce": CrossEntropy()})`.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,); in [0, 1] unless `mode="log"`.
    Edges: `smooth` stands above and below: an empty mask predicted empty costs 0, and pixels
        predicted on it cost and have a slope. With smooth = 0 an empty mask costs 1 whatever is
        predicted, and 0 when that is nothing at all. The log is kept finite below 1e-7.
    Source: Milletari et al. 2016, V-Net (squared); Sudre et al. 2017, Generalised Dice Overlap
        (plain); Jadon 2020, A Survey of Loss Functions for Semantic Segmentation (log-cosh).

    >>> float(Dice(smooth=0.0)([[[1.0], [0.0]]], [[[1.0], [1.0]]]))
    0.3333333432674408

    Args:
        smooth: added above and below, >= 0; in pixels.
        squared: whether sizes are sums of squares.
        mode: "linear", "log" or "log_cosh".
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range or a mode that does not exist.
    """

    pools = True
    keeps_ids = True
    kinds = ("mask", "class_mask")
    source = "Milletari et al. 2016, V-Net"
    search = {"smooth": Float(1e-3, 10.0, log=True), "squared": Choice((False, True))}
    variants = (
        {},
        {"from_logits": True, "squared": True},
        {"from_logits": True, "mode": "log"},
        {"mode": "log_cosh", "smooth": 0.01},
        {"smooth": 1e-3},
    )

    def __init__(
        self,
        smooth: float = 1.0,
        squared: bool = False,
        mode: str = "linear",
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.smooth = check_range("Dice", "smooth", smooth, 0.0)
        self.squared = bool(squared)
        self.mode = check_mode("Dice", mode)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        if self.squared:
            y = targets(y, p)
            shared = spatial_sum(y * p, weight)
            sizes = spatial_sum(y * y + p * p, weight)
        else:
            shared, in_p, in_y = overlap_sums(y, p, weight)
            sizes = in_p + in_y
        return self.class_mean(cost(2.0 * shared, sizes, self.smooth, self.mode))


class Jaccard(RegionLoss):
    """One minus the intersection over union of two masks; soft IoU.

        iou_c = (sum_i t_ic + smooth) / (sum_i y_ic + sum_i p_ic - sum_i t_ic + smooth)
        loss = mean_c f(iou_c),   t = min(y, p),   f = 1 - iou (linear), -log iou, log cosh(1 - iou)

    over the pixels i of one image. For soft labels this is the Jaccard metric loss.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,); in [0, 1] unless `mode="log"`.
    Edges: as `Dice`: an empty mask predicted empty costs 0, pixels predicted on it cost.
    Source: Rahman and Wang 2016, Optimizing Intersection-Over-Union in Deep Neural Networks;
        Wang et al. 2023, Jaccard Metric Losses (soft labels).

    >>> float(Jaccard(smooth=0.0)([[[1.0], [0.0]]], [[[1.0], [1.0]]]))
    0.5

    Args:
        smooth: added above and below, >= 0; in pixels.
        mode: "linear", "log" or "log_cosh".
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range or a mode that does not exist.
    """

    pools = True
    keeps_ids = True
    kinds = ("mask", "class_mask")
    source = "Rahman and Wang 2016, Optimizing Intersection-Over-Union in Deep Neural Networks"
    search = {"smooth": Float(1e-3, 10.0, log=True), "mode": Choice(MODES)}
    variants = ({}, {"from_logits": True, "mode": "log"}, {"mode": "log_cosh", "smooth": 0.01})

    def __init__(
        self,
        smooth: float = 1.0,
        mode: str = "linear",
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.smooth = check_range("Jaccard", "smooth", smooth, 0.0)
        self.mode = check_mode("Jaccard", mode)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        shared, in_p, in_y = overlap_sums(y, p, weight)
        return self.class_mean(cost(shared, in_p + in_y - shared, self.smooth, self.mode))


class Tversky(RegionLoss):
    """Overlap in which false positives and false negatives have prices of their own.

        tversky_c = (TP_c + smooth) / (TP_c + alpha FP_c + beta FN_c + smooth)
        TP = sum_i t_i,   FP = sum_i p_i - TP,   FN = sum_i y_i - TP,   t = min(y, p)
        loss = mean_c (1 - tversky_c)

    over the pixels i of one image. alpha prices false positives and beta false negatives, as in
    the paper (alpha stands before p_foreground y_background). alpha = beta = 0.5
    is Dice with half its smooth, alpha = beta = 1 is Jaccard.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,) in [0, 1].
    Edges: as `Dice`: an empty mask predicted empty costs 0.
    Source: Salehi et al. 2017, Tversky Loss Function for Image Segmentation.

    >>> float(Tversky(alpha=1.0, beta=0.0, smooth=0.0)([[[1.0], [0.0]]], [[[1.0], [1.0]]]))
    0.5

    Args:
        alpha: price of a false positive, >= 0; the paper's best 0.3.
        beta: price of a false negative, >= 0; the paper's best 0.7.
        smooth: added above and below, >= 0; in pixels.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    pools = True
    keeps_ids = True
    kinds = ("mask", "class_mask")
    source = "Salehi et al. 2017, Tversky Loss Function for Image Segmentation"
    search = {"alpha": Float(0.1, 1.0), "beta": Float(0.1, 1.0)}
    variants = ({}, {"from_logits": True, "alpha": 1.0, "beta": 0.2}, {"smooth": 0.01})

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.alpha = check_range("Tversky", "alpha", alpha, 0.0)
        self.beta = check_range("Tversky", "beta", beta, 0.0)
        self.smooth = check_range("Tversky", "smooth", smooth, 0.0)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        return self.class_mean(tversky(y, p, weight, self.alpha, self.beta, self.smooth))


class FocalTversky(RegionLoss):
    """Tversky whose nearly right images keep, or lose, their pull.

        loss = mean_c (1 - tversky_c)^(1 / gamma),   tversky as in `Tversky` with beta = 1 - alpha

    The exponent is 1 / gamma as in the paper, whose gamma = 4/3 bends towards images that are
    already good. Some libraries raise to gamma itself: give them 1 / gamma.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,) in [0, 1].
    Edges: below 1e-6 a power under 1 goes straight to 0, so that its slope is finite.
    Source: Abraham and Khan 2019, A Novel Focal Tversky Loss Function.

    >>> float(FocalTversky(gamma=0.5, alpha=1.0, smooth=0.0)([[[1.0], [0.0]]], [[[1.0], [1.0]]]))
    0.25

    Args:
        gamma: inverse of the exponent, > 0; the paper's 4/3.
        alpha: price of a false positive in [0, 1] against `1 - alpha` of a false negative.
        smooth: added above and below, >= 0; in pixels.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    pools = True
    keeps_ids = True
    kinds = ("mask", "class_mask")
    source = "Abraham and Khan 2019, A Novel Focal Tversky Loss Function"
    search = {"gamma": Float(0.5, 3.0), "alpha": Float(0.1, 0.9)}
    variants = ({}, {"from_logits": True, "gamma": 0.5}, {"gamma": 3.0, "smooth": 0.01})

    def __init__(
        self,
        gamma: float = 4.0 / 3.0,
        alpha: float = 0.3,
        smooth: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.gamma = check_range("FocalTversky", "gamma", gamma, 1e-2)
        self.alpha = check_range("FocalTversky", "alpha", alpha, 0.0, 1.0)
        self.smooth = check_range("FocalTversky", "smooth", smooth, 0.0)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        values = tversky(y, p, weight, self.alpha, 1.0 - self.alpha, self.smooth)
        return self.class_mean(power(values, 1.0 / self.gamma))


def tversky(y: Any, p: Any, weight: Any, alpha: float, beta: float, smooth: float) -> Any:
    """(batch, C): (alpha FP + beta FN) / (TP + alpha FP + beta FN + smooth)."""
    shared, in_p, in_y = overlap_sums(y, p, weight)
    errors = alpha * (in_p - shared) + beta * (in_y - shared)
    return divide(errors, shared + errors + smooth)


def cost(shared: Any, sizes: Any, smooth: float, mode: str) -> Any:
    """f of (shared + smooth) / (sizes + smooth), where 0 / 0 costs nothing."""
    missed = divide(sizes - shared, sizes + smooth)
    if mode == "log":
        index = divide(shared + smooth, sizes + smooth)
        return -safe_log(ops.where(ops.equal(sizes + smooth, 0), 1.0, index))
    if mode == "log_cosh":
        return missed + ops.softplus(-2.0 * missed) - math.log(2.0)
    return missed


def power(x: Any, exponent: float, floor: float = 1e-6) -> Any:
    """x^exponent for x >= 0, a straight line to 0 below `floor`: its slope stays finite."""
    low = x < floor
    safe = ops.where(low, floor, x)
    return ops.where(low, x * floor ** (exponent - 1.0), ops.power(safe, exponent))


def check_mode(loss: str, mode: str) -> str:
    if mode not in MODES:
        raise ValueError(f"{loss}: mode must be one of {', '.join(MODES)}, got {mode!r}.")
    return mode
