"""Cosines as yes-or-no questions: one sigmoid a class, no softmax over classes."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.embedding.margin_softmax import target_cosine
from lossforge.ranges import Float


class SphereFace2(Loss):
    """Every class asks whether an example is its own; classes do not compete.

        g(c) = 2 ((c + 1) / 2)^t - 1
        loss = weight / scale log(1 + exp(-scale (g(cos_y) - margin) - bias))
               + (1 - weight) / scale sum_{j != y} log(1 + exp(scale (g(cos_j) + margin) + bias))

    g sharpens cosines, which in high dimensions crowd around 0.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Edges: the paper learns the bias. Here it is a number; None is the value at which, at cosines
        of 0, the own class pulls as hard as all others push, where the authors start.
    Source: Wen et al. 2022, SphereFace2: Binary Classification is All You Need for Deep Face
        Recognition, equation 5.

    >>> loss = SphereFace2(weight=0.5, scale=1.0, margin=0.0, t=1.0, bias=0.0)
    >>> round(float(loss([0], [[0.0, 0.0]])), 4)  # log 2
    0.6931

    Args:
        margin: >= 0; the paper's 0.4.
        scale: > 0; the paper's 30 to 40.
        weight: of the own class against the others, in [0, 1]; the paper's 0.7.
        t: how much cosines are sharpened, >= 1; the paper's 3.
        bias: the threshold of all questions, or None.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("cosine_logits",)
    source = "Wen et al. 2022, SphereFace2: Binary Classification is All You Need"
    minimum = None
    search = {"margin": Float(0.1, 0.6), "scale": Float(8.0, 64.0, log=True)}
    variants = ({}, {"bias": -2.0, "t": 2.0, "scale": 10.0}, {"margin": 0.0, "weight": 0.5})

    def __init__(
        self,
        margin: float = 0.4,
        scale: float = 30.0,
        weight: float = 0.7,
        t: float = 3.0,
        bias: float | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("SphereFace2", "margin", margin, 0.0)
        self.scale = check_range("SphereFace2", "scale", scale, 1e-6)
        self.weight = check_range("SphereFace2", "weight", weight, 1e-6, 1.0 - 1e-6)
        self.t = check_range("SphereFace2", "t", t, 1.0)
        if bias is not None:
            bias = check_range("SphereFace2", "bias", bias, -1e6, 1e6)
        self.bias = bias

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        bias = self._balanced(y_pred.shape[-1]) if self.bias is None else self.bias
        pull = ops.softplus(-self.scale * (self._sharpened(target) - self.margin) - bias)
        each = ops.softplus(self.scale * (self._sharpened(cosines) + self.margin) + bias)
        push = ops.sum(ops.where(is_target, 0.0, each), axis=-1)
        return (self.weight * pull + (1.0 - self.weight) * push) / self.scale

    def _sharpened(self, cosines: Any) -> Any:
        return 2.0 * ops.power(0.5 * (cosines + 1.0), self.t) - 1.0

    def _balanced(self, classes: int) -> float:
        """The bias b with weight s(-own - b) = (1 - weight) (C - 1) s(other + b), s the sigmoid."""
        share = self.weight / ((1.0 - self.weight) * max(classes - 1, 1))
        middle = 2.0 * 0.5**self.t - 1.0
        own = self.scale * (middle - self.margin)
        other = self.scale * (middle + self.margin)
        root = math.sqrt((1.0 - share) ** 2 + 4.0 * share * math.exp(own - other))
        return math.log(2.0 * share) - other - math.log(1.0 - share + root)


class UniFace(Loss):
    """One threshold between all cosines of own classes and all others, over the whole data set.

        loss = log(1 + exp(bias - scale (cos_y - margin)))
               + sum_{j != y} log(1 + exp(scale cos_j - bias))

    A softmax compares an example's cosines with each other only; deployed, they are compared with
    one threshold. bias / scale is that threshold.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Edges: the paper learns the bias. Here it is a number; None is log C, at which C - 1 cosines of
        0 weigh as much as one of the own class.
    Source: Zhou et al. 2023, UniFace: Unified Cross-Entropy Loss for Deep Face Recognition.

    >>> round(float(UniFace(margin=0.0, bias=0.0)([0], [[0.0, 0.0]])), 4)  # 2 log 2
    1.3863

    Args:
        margin: >= 0.
        scale: > 0.
        bias: the scaled threshold, or None.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("cosine_logits",)
    source = "Zhou et al. 2023, UniFace: Unified Cross-Entropy Loss for Deep Face Recognition"
    minimum = None
    search = {"margin": Float(0.0, 0.6), "scale": Float(8.0, 128.0, log=True)}
    variants = ({}, {"margin": 0.0, "scale": 8.0, "bias": 3.0})

    def __init__(
        self, margin: float = 0.35, scale: float = 64.0, bias: float | None = None, **base: Any
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("UniFace", "margin", margin, 0.0)
        self.scale = check_range("UniFace", "scale", scale, 1e-6)
        self.bias = None if bias is None else check_range("UniFace", "bias", bias, -1e6, 1e6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        bias = math.log(y_pred.shape[-1]) if self.bias is None else self.bias
        pull = ops.softplus(bias - self.scale * (target - self.margin))
        each = ops.softplus(self.scale * cosines - bias)
        return pull + ops.sum(ops.where(is_target, 0.0, each), axis=-1)


class P2SGrad(Loss):
    """Slopes by the angle alone: cosines go to 1 for the own class and to 0 for the others.

        loss = 1/2 sum_j (cos_j - [j = y])^2

    The paper gives the slope, cos_j - [j = y], and no value; this is the value with that slope. It
    has no scale and no margin to choose.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Source: Zhang et al. 2019, P2SGrad: Refined Gradients for Optimizing Deep Face Models, equation
        9; as a squared error: Wang and Yamagishi 2021, A Comparative Study on Recent Neural
        Spoofing Countermeasures for Synthetic Speech Detection.

    >>> float(P2SGrad()([0], [[1.0, 0.0, -1.0]]))
    0.5
    """

    kinds = ("cosine_logits",)
    source = "Zhang et al. 2019, P2SGrad: Refined Gradients for Optimizing Deep Face Models"
    minimum = None
    best_at_perfect = False  # cosines to other classes are best at 0, not at -1

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, _ = target_cosine(y_true, y_pred)
        goal = ops.cast(is_target, cosines.dtype)
        return 0.5 * ops.sum(ops.square(cosines - goal), axis=-1)
