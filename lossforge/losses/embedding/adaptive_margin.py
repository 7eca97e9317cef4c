"""Margin softmax whose margin follows the length of the feature, a sign of its quality."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range
from lossforge.losses.embedding.distances import safe_sqrt
from lossforge.losses.embedding.margin_softmax import cross_entropy, target_cosine
from lossforge.losses.embedding.pairs import where_nan
from lossforge.ranges import Float


class AdaFace(Loss):
    """Hard examples count for good images, easy ones for bad: a margin by relative length.

        q = clip(h (|x| - mean |x|) / (std |x| + 0.001), -1, 1), held constant
        z_y = cos(t_y - margin q) - margin (1 + q),   z_j = cos(t_j)
        loss = -log softmax(scale z)_y

    Mean and standard deviation are those of the batch, over the examples that count; the authors'
    code follows them by a moving average. The angle is kept in [0, pi].

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, C + 1), cosines and
        then the length of the feature, as from `lossforge.heads.CosineHead(length=True)`.
    Returns: (batch,).
    Edges: lengths count within [0.001, 100]; features of one length have q = 0.
    Source: Kim et al. 2022, AdaFace: Quality Adaptive Margin for Face Recognition, equations 13
        to 17.

    >>> float(AdaFace()([0], [[1.0, -1.0, 20.0]]))
    0.0

    Args:
        margin: in [0, 1]; the paper's 0.4.
        h: how much of the lengths' spread matters, > 0; the paper's 0.33.
        scale: > 0; the paper's 64.
    """

    batch_coupled = True
    detached = True
    kinds = ("cosine_logits_and_length",)
    source = "Kim et al. 2022, AdaFace: Quality Adaptive Margin for Face Recognition"
    search = {"margin": Float(0.1, 0.6), "scale": Float(8.0, 128.0, log=True)}
    variants = ({}, {"margin": 0.2, "h": 1.0, "scale": 16.0})

    def __init__(
        self, margin: float = 0.4, h: float = 0.33, scale: float = 64.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("AdaFace", "margin", margin, 0.0, 1.0)
        self.h = check_range("AdaFace", "h", h, 1e-6)
        self.scale = check_range("AdaFace", "scale", scale, 1e-6)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        cosines, is_target, target = target_cosine(*_split(y_true, y_pred, "AdaFace"))
        counts = ops.cast(align(counts, target), target.dtype)
        length = ops.stop_gradient(ops.clip(y_pred[:, -1], 0.001, 100.0))
        number = ops.maximum(ops.sum(counts), 1.0)
        centred = length - ops.sum(counts * length) / number
        spread = ops.sum(counts * ops.square(centred)) / ops.maximum(number - 1.0, 1.0)
        quality = ops.clip(self.h * centred / (ops.sqrt(spread) + 0.001), -1.0, 1.0)
        moved = cos_of_sum(target, -self.margin * quality) - self.margin * (1.0 + quality)
        return where_nan(y_pred, cross_entropy(cosines, is_target, moved, self.scale))


class MagFace(Loss):
    """A margin that grows with the length of the feature, and a term that makes features long.

        a = |x| kept in [10, 110]
        m(a) = low + (high - low) (a - 10) / 100,   g(a) = a / 110^2 + 1 / a
        loss = -log softmax(scale z)_y + weight (g(a) - g(110)),   z_y = cos(t_y + m(a))

    g(110), the least, is taken off so that the loss can be 0. The angle is kept in [0, pi].

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, C + 1), cosines and
        then the length of the feature, as from `lossforge.heads.CosineHead(length=True)`.
    Returns: (batch,).
    Edges: outside of [10, 110] the length has no gradient, as in the authors' code.
    Source: Meng et al. 2021, MagFace: A Universal Representation for Face Recognition and Quality
        Assessment, equations 4 to 6.

    >>> float(MagFace()([0], [[1.0, -1.0, 110.0]]))
    0.0

    Args:
        low: margin at length 10, in radians in [0, high]; the paper's 0.45.
        high: margin at length 110, in [0, pi / 2]; the paper's 0.8.
        weight: of the term that makes features long, >= 0; the paper's 35.
        scale: > 0; the paper's 64.
    """

    minimum = None
    kinds = ("cosine_logits_and_length",)
    source = "Meng et al. 2021, MagFace: A Universal Representation for Face Recognition"
    search = {"weight": Float(1.0, 50.0), "scale": Float(8.0, 128.0, log=True)}
    variants = ({}, {"low": 0.1, "high": 0.4, "weight": 5.0, "scale": 16.0})

    def __init__(
        self,
        low: float = 0.45,
        high: float = 0.8,
        weight: float = 35.0,
        scale: float = 64.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.high = check_range("MagFace", "high", high, 0.0, math.pi / 2)
        self.low = check_range("MagFace", "low", low, 0.0, self.high)
        self.weight = check_range("MagFace", "weight", weight, 0.0)
        self.scale = check_range("MagFace", "scale", scale, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, target = target_cosine(*_split(y_true, y_pred, "MagFace"))
        length = ops.clip(y_pred[:, -1], 10.0, 110.0)
        margin = self.low + (self.high - self.low) * (length - 10.0) / 100.0
        long = length / 110.0**2 + 1.0 / length - 2.0 / 110.0
        values = cross_entropy(cosines, is_target, cos_of_sum(target, margin), self.scale)
        return values + self.weight * long


def cos_of_sum(cosine: Any, angle: Any) -> Any:
    """cos(t + angle) from cos t, with t + angle kept in [0, pi]."""
    sine = safe_sqrt(1.0 - ops.square(cosine))
    sin_angle, cos_angle = sin_cos(angle)
    turned = cosine * cos_angle - sine * sin_angle
    turned = ops.where(ops.logical_and(angle < 0, cosine >= cos_angle), 1.0, turned)
    return ops.where(ops.logical_and(angle > 0, cosine <= -cos_angle), -1.0, turned)


def sin_cos(angle: Any) -> tuple[Any, Any]:
    """Of angles in [-pi / 2, pi / 2], by their series: on JAX Keras's own are float32 at best."""
    square = ops.square(angle)
    sine, cosine = ops.ones_like(angle), ops.ones_like(angle)
    for n in range(10, 0, -1):
        sine = 1.0 - square / ((2 * n) * (2 * n + 1)) * sine
        cosine = 1.0 - square / ((2 * n - 1) * (2 * n)) * cosine
    return angle * sine, cosine


def _split(y_true: Any, y_pred: Any, loss: str) -> tuple[Any, Any]:
    if len(y_pred.shape) != 2 or y_pred.shape[-1] < 2:
        raise ValueError(
            f"{loss} reads predictions (batch, C + 1), cosines and then a length, "
            f"got {tuple(y_pred.shape)}."
        )
    return y_true, y_pred[:, :-1]
