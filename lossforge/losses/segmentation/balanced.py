"""Pixel-wise losses in which rare labels of an image count as much as common ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.segmentation.overlap import cost, power
from lossforge.losses.segmentation.regions import (
    RegionLoss,
    class_weights,
    divide,
    is_exclusive,
    overlap,
    spatial_mean,
    spatial_sum,
    targets,
)
from lossforge.ranges import Float


class EdgeCrossEntropy(RegionLoss):
    """Binary cross-entropy of an edge map, whose few edge pixels balance the many others.

        loss = -mean_i [(1 - b) y_i log p_i + b (1 - y_i) log(1 - p_i)],   b = mean_i y_i

    over the pixels i of one image, mean over channels. All in log space.

    Reads: y_pred: (batch, *spatial, C) independent probabilities, or logits with
        `from_logits=True`. y_true: edge maps in {0, 1} of the same shape.
    Returns: (batch,), >= 0.
    Edges: b is the image's own: one without edges, or of edges alone, costs 0 without a slope.
    Source: Xie and Tu 2015, Holistically-Nested Edge Detection; the edge head of Xu et al. 2023,
        PIDNet, which takes b over the batch.

    >>> round(float(EdgeCrossEntropy()([[[1.0], [0.0]]], [[[0.5], [0.5]]])), 4)
    0.3466

    Args:
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        from_logits: whether predictions are logits.
    """

    kinds = ("mask",)
    source = "Xie and Tu 2015, Holistically-Nested Edge Detection"
    variants = ({}, {"from_logits": True})

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, False, from_logits, **base)

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return targets(y_true, y_pred), y_pred

    def score(self, y: Any, x: Any, weight: Any) -> Any:
        log_p, log_q = logp.log_sigmoid(x, self.from_logits)
        share = spatial_mean(y, weight)
        edges, others = spatial_mean(y * log_p, weight), spatial_mean((1.0 - y) * log_q, weight)
        return self.class_mean(-(1.0 - share) * edges - share * others)


class SensitivitySpecificity(RegionLoss):
    """Mean squared error of the object and of the background, each by its own size.

        loss = mean_c r sum_i (y_i - p_i)^2 y_i / sum_i y_i
                      + (1 - r) sum_i (y_i - p_i)^2 (1 - y_i) / sum_i (1 - y_i)

    over the pixels i of one image.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,) in [0, 1].
    Edges: the part whose pixels are absent is 0.
    Source: Brosch et al. 2015, Deep Convolutional Encoder Networks for Multiple Sclerosis Lesion
        Segmentation.

    >>> float(SensitivitySpecificity(ratio=0.25)([[[1.0], [0.0]]], [[[0.0], [0.0]]]))
    0.25

    Args:
        ratio: r in [0, 1], the share of the object; the paper's 0.05.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a ratio out of range.
    """

    pools = True
    kinds = ("mask", "class_mask")
    source = "Brosch et al. 2015, Deep Convolutional Encoder Networks for MS Lesion Segmentation"
    search = {"ratio": Float(0.01, 0.9)}
    variants = ({}, {"from_logits": True, "ratio": 0.5})

    def __init__(
        self,
        ratio: float = 0.05,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.ratio = check_range("SensitivitySpecificity", "ratio", ratio, 0.0, 1.0)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        error = ops.square(y - p)
        inside = divide(spatial_sum(error * y, weight), spatial_sum(y, weight))
        outside = divide(spatial_sum(error * (1.0 - y), weight), spatial_sum(1.0 - y, weight))
        return self.class_mean(self.ratio * inside + (1.0 - self.ratio) * outside)


class ExponentialLogarithmic(RegionLoss):
    """Powers of the logarithms of Dice and of the label's probability: small objects keep pace.

        loss = w mean_c (-log dice_c)^gamma + (1 - w) mean_i v_l (-log p_l(i))^gamma

    with dice_c as in `Dice` and l the label of pixel i, over the pixels of one image. v_l are
    the class weights; the paper's are sqrt(sum_k f_k / f_l), f the frequencies of the labels in
    the training set. In independent masks each channel has its two labels, with the weight of
    the channel.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,), >= 0.
    Edges: with gamma < 1 the slope grows without limit towards 0: below 1e-6 the power goes
        straight to 0.
    Source: Wong et al. 2018, 3D Segmentation with Exponential Logarithmic Loss for Highly
        Unbalanced Object Sizes.

    >>> float(ExponentialLogarithmic()([[0, 1]], [[[1.0, 0.0], [0.0, 1.0]]]))
    0.0

    Args:
        gamma: exponent of both parts, > 0; the paper's best 0.3.
        dice_weight: w in [0, 1]; the paper's best 0.8.
        smooth: of Dice, >= 0; in pixels.
        class_weight: v, one number >= 0 a class. None: 1.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    pools = True
    kinds = ("mask", "class_mask")
    source = "Wong et al. 2018, 3D Segmentation with Exponential Logarithmic Loss"
    search = {"gamma": Float(0.2, 2.0), "dice_weight": Float(0.0, 1.0)}
    variants = ({}, {"from_logits": True, "gamma": 1.5, "dice_weight": 0.5, "smooth": 0.1})

    def __init__(
        self,
        gamma: float = 0.3,
        dice_weight: float = 0.8,
        smooth: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.gamma = check_range("ExponentialLogarithmic", "gamma", gamma, 1e-2)
        self.dice_weight = check_range("ExponentialLogarithmic", "dice_weight", dice_weight, 0, 1)
        self.smooth = check_range("ExponentialLogarithmic", "smooth", smooth, 0.0)

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets; probabilities and -log of what the label of each pixel got."""
        y, p = super().read(y_true, y_pred)
        if is_exclusive(self.exclusive, y_true, y_pred):
            surprise = -logp.log_softmax(y_pred, self.from_logits)
            return y, (p, ops.sum(y * self._weighed(y * surprise, y), axis=-1, keepdims=True))
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        return y, (p, self._weighed(-y * log_p - (1.0 - y) * log_q, y))

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        p, surprise = p
        shared, sizes = spatial_sum(overlap(y, p), weight), spatial_sum(y + p, weight)
        dice = mean_over_last_axis(power(cost(2.0 * shared, sizes, self.smooth, "log"), self.gamma))
        if weight is not None and weight.shape[-1] != surprise.shape[-1]:
            weight = ops.max(weight, axis=-1, keepdims=True)
        labels = mean_over_last_axis(spatial_mean(surprise, weight))
        return self.dice_weight * dice + (1.0 - self.dice_weight) * labels

    def _weighed(self, surprise: Any, y: Any) -> Any:
        value = power(ops.maximum(surprise, 0.0), self.gamma)
        if self.class_weight is None:
            return value
        return value * class_weights("ExponentialLogarithmic", self.class_weight, y)
