"""Softmax over cosines with a margin on the target's: the losses of face recognition.

The class weights live in `lossforge.heads.CosineHead`, a layer that the optimizer trains and the
model saves; these losses are pure. With `CosineHead(centres=3)` ArcFace is sub-centre ArcFace, with
`CosineHead(centres=10, pooling="soft")` CosFace is SoftTriple, and CosFace(margin=0) is NormFace.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.embedding.distances import safe_sqrt
from lossforge.losses.embedding.pairs import where_nan
from lossforge.ranges import Float


class ArcFace(Loss):
    """Softmax over cosines, the target's angle made wider by a margin.

        loss = -log softmax(scale z)_y,   z_y = cos(t_y + margin),   z_j = cos(t_j) elsewhere

    cos(t + m) is cos t cos m - sin t sin m: no arc cosine, whose slope is infinite at 1. Beyond
    t = pi - m it goes on as cos t - m sin m, as in the authors' code, so that a target on the far
    side is still pulled. The gradient is that of the formula, margin included.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Edges: cosines beyond 1 by rounding count as 1.
    Source: Deng et al. 2019, ArcFace: Additive Angular Margin Loss for Deep Face Recognition.

    >>> float(ArcFace()([0], [[1.0, -1.0]]))
    0.0

    Args:
        margin: in radians, in [0, pi / 2]; the paper's 0.5.
        scale: > 0; the paper's 64.
    """

    kinds = ("cosine_logits",)
    source = "Deng et al. 2019, ArcFace: Additive Angular Margin Loss for Deep Face Recognition"
    search = {"margin": Float(0.1, 0.7), "scale": Float(8.0, 128.0, log=True)}
    variants = ({}, {"margin": 0.0, "scale": 8.0}, {"margin": 0.9, "scale": 16.0})

    def __init__(self, margin: float = 0.5, scale: float = 64.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("ArcFace", "margin", margin, 0.0, math.pi / 2)
        self.scale = check_range("ArcFace", "scale", scale, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        return cross_entropy(cosines, is_target, widened(target, self.margin), self.scale)


class CosFace(Loss):
    """Softmax over cosines, the target's made smaller by a margin.

        loss = -log softmax(scale z)_y,   z_y = cos(t_y) - margin,   z_j = cos(t_j) elsewhere

    Also called AM-softmax. With margin 0 it is NormFace.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Source: Wang et al. 2018, CosFace: Large Margin Cosine Loss for Deep Face Recognition; margin
        0: Wang et al. 2017, NormFace; several centres: Qian et al. 2019, SoftTriple Loss.

    >>> float(CosFace()([0], [[1.0, -1.0]]))
    0.0

    Args:
        margin: in [0, 1]; the paper's 0.35.
        scale: > 0; the paper's 64.
    """

    kinds = ("cosine_logits",)
    source = "Wang et al. 2018, CosFace: Large Margin Cosine Loss for Deep Face Recognition"
    search = {"margin": Float(0.0, 0.6), "scale": Float(8.0, 128.0, log=True)}
    variants = ({}, {"margin": 0.0, "scale": 10.0})

    def __init__(self, margin: float = 0.35, scale: float = 64.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("CosFace", "margin", margin, 0.0, 1.0)
        self.scale = check_range("CosFace", "scale", scale, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        return cross_entropy(cosines, is_target, target - self.margin, self.scale)


class SphereFace(Loss):
    """Softmax over cosines, the target's angle multiplied.

        loss = -log softmax(scale z)_y,   z_y = (-1)^k cos(margin t_y) - 2 k,   z_j = cos(t_j)
        k: how many times pi / margin fits into t_y

    cos(m t) is a polynomial in cos t: no arc cosine. The paper scales by the length of the feature;
    here the scale is constant, as in its successors.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Source: Liu et al. 2017, SphereFace: Deep Hypersphere Embedding for Face Recognition.

    >>> float(SphereFace()([0], [[1.0, -1.0]]))
    0.0

    Args:
        margin: a whole number from 1 to 8; the paper's 4.
        scale: > 0.
    """

    kinds = ("cosine_logits",)
    source = "Liu et al. 2017, SphereFace: Deep Hypersphere Embedding for Face Recognition"
    search = {"scale": Float(8.0, 64.0, log=True)}
    variants = ({}, {"margin": 1, "scale": 10.0}, {"margin": 3})

    def __init__(self, margin: int = 4, scale: float = 30.0, **base: Any) -> None:
        super().__init__(**base)
        if check_range("SphereFace", "margin", margin, 1, 8) != int(margin):
            raise ValueError(f"SphereFace: margin must be a whole number, got {margin!r}.")
        self.margin = int(margin)
        self.scale = check_range("SphereFace", "scale", scale, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        before, power = ops.ones_like(target), target
        for _ in range(self.margin - 1):  # cos(m t) = 2 cos t cos((m - 1) t) - cos((m - 2) t)
            before, power = power, 2.0 * target * power - before
        k = ops.zeros_like(target)
        for turn in range(1, self.margin):
            k = k + ops.cast(target < math.cos(math.pi * turn / self.margin), target.dtype)
        sign = 1.0 - 2.0 * (k % 2.0)
        return cross_entropy(cosines, is_target, sign * power - 2.0 * k, self.scale)


class CurricularFace(Loss):
    """ArcFace that turns to hard negatives as the model learns.

        z_y = cos(t_y + margin)
        z_j = cos(t_j) where that is at most z_y, else cos(t_j) (r + cos(t_j))
        r: the mean of cos(t_y), over the examples of this batch that count, held constant

    The authors' code follows r by a moving average; without state it is the batch's own.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Source: Huang et al. 2020, CurricularFace: Adaptive Curriculum Learning Loss for Deep Face
        Recognition, equations 5 to 8.

    >>> float(CurricularFace()([0], [[1.0, -1.0]]))
    0.0

    Args:
        margin: in radians, in [0, pi / 2]; the paper's 0.5.
        scale: > 0; the paper's 64.
    """

    batch_coupled = True
    detached = True
    kinds = ("cosine_logits",)
    source = "Huang et al. 2020, CurricularFace: Adaptive Curriculum Learning Loss"
    search = {"margin": Float(0.1, 0.7), "scale": Float(8.0, 128.0, log=True)}
    variants = ({}, {"margin": 0.2, "scale": 16.0})

    def __init__(self, margin: float = 0.5, scale: float = 64.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("CurricularFace", "margin", margin, 0.0, math.pi / 2)
        self.scale = check_range("CurricularFace", "scale", scale, 1e-6)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        counts = ops.cast(align(counts, target), target.dtype)
        mean = ops.sum(counts * target) / ops.maximum(ops.sum(counts), 1.0)
        widened_target = widened(target, self.margin)
        hard = cosines > widened_target[:, None]
        cosines = ops.where(hard, cosines * (ops.stop_gradient(mean) + cosines), cosines)
        values = cross_entropy(cosines, is_target, widened_target, self.scale)
        return where_nan(y_pred, values)


def target_cosine(y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
    """(cosines in [-1, 1], boolean one-hot, the target's cosine (batch,))."""
    if len(y_pred.shape) != 2:
        raise ValueError(f"Cosines must have shape (batch, C), got {tuple(y_pred.shape)}.")
    if logp.is_class_ids(y_true, y_pred):
        ids = logp.class_ids(y_true, y_pred)
    else:
        ids = ops.argmax(y_true, axis=-1)
    columns = ops.arange(ops.shape(y_pred)[-1])
    is_target = ops.equal(ops.cast(columns, ids.dtype)[None, :], ids[:, None])
    # Not a clip: its slope beyond 1 is 0, and a row that reaches 1 would stop learning.
    cosines = y_pred - ops.stop_gradient(y_pred - ops.clip(y_pred, -1.0, 1.0))
    return cosines, is_target, ops.sum(ops.where(is_target, cosines, 0.0), axis=-1)


def widened(cosine: Any, margin: float) -> Any:
    """cos(t + margin) up to t = pi - margin, then cos t less a constant."""
    sine = safe_sqrt(1.0 - ops.square(cosine))
    wider = cosine * math.cos(margin) - sine * math.sin(margin)
    turned = cosine <= -math.cos(margin)
    return ops.where(turned, cosine - margin * math.sin(margin), wider)


def cross_entropy(cosines: Any, is_target: Any, target: Any, scale: float) -> Any:
    """-log softmax of the scaled cosines at the target, whose own is replaced."""
    logits = scale * ops.where(is_target, target[:, None], cosines)
    return ops.logsumexp(logits, axis=-1) - scale * target
