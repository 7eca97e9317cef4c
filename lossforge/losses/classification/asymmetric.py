"""Asymmetric losses: easy negatives fade faster than easy positives."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class Asymmetric(Loss):
    """Multi-label focal loss that fades negatives faster and drops the easiest ones.

        q = max(p - clip, 0)
        loss = -mean_c [y_c (1 - p_c)^gamma_positive log p_c
                        + (1 - y_c) q_c^gamma_negative log(1 - q_c)]

    Reads: y_true: (batch, ..., C) in [0, 1], any number of ones; y_pred: (batch, ..., C)
        probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...), the mean over classes; the paper's sum is C times as large.
    Edges: negatives below `clip` have neither value nor gradient. Both gammas and the clip at 0
        give cross-entropy.
    Source: Ridnik et al. 2021, Asymmetric Loss for Multi-Label Classification, equations 4 to 6.

    >>> float(Asymmetric()([[1.0, 0.0]], [[1.0, 0.04]]))
    0.0

    Args:
        gamma_negative: how fast easy negatives fade, >= 0; the paper's 4.
        gamma_positive: how fast easy positives fade, >= 0; the paper's 0 (its code: 1).
        clip: probability in [0, 1) up to which a negative costs nothing; the paper's 0.05.
        from_logits: whether predictions are logits.
    """

    kinds = ("multilabel", "binary")
    source = "Ridnik et al. 2021, Asymmetric Loss for Multi-Label Classification"
    search = {
        "gamma_negative": Float(0.0, 6.0),
        "gamma_positive": Float(0.0, 2.0),
        "clip": Float(0.0, 0.2),
    }
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "gamma_positive": 1.0, "gamma_negative": 0.5, "clip": 0.1},
        {"from_logits": True, "gamma_positive": 0.5, "gamma_negative": 0.0, "clip": 0.0},
    )

    def __init__(
        self,
        gamma_negative: float = 4.0,
        gamma_positive: float = 0.0,
        clip: float = 0.05,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.gamma_negative = check_range("Asymmetric", "gamma_negative", gamma_negative, 0.0)
        self.gamma_positive = check_range("Asymmetric", "gamma_positive", gamma_positive, 0.0)
        self.clip = check_range("Asymmetric", "clip", clip, 0.0, 0.999)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        positive = -ops.exp(self.gamma_positive * log_q) * log_p
        negative = self._negative(log_p, log_q)
        return mean_over_last_axis(targets * positive + (1.0 - targets) * negative)

    def _negative(self, log_p: Any, log_q: Any) -> Any:
        if not self.clip:
            return -ops.exp(self.gamma_negative * log_p) * log_q
        shifted = ops.exp(log_p) - self.clip
        counts = ops.logical_not(shifted <= 0.0)  # NaN counts
        safe = ops.where(counts, shifted, 0.5)
        # 1 - (p - clip) as (1 - p) + clip: no digit of a small 1 - p is lost
        values = -(safe**self.gamma_negative) * ops.log(ops.exp(log_q) + self.clip)
        return ops.where(counts, values, 0.0)


class AsymmetricSingleLabel(Loss):
    """The asymmetric loss for exclusive classes: the target fades slowly, the others fast.

        w_c = (1 - p_c)^gamma_positive for the target, p_c^gamma_negative for the others
        loss = -sum_c w_c (y_c (1 - s) + s / C) log p_c

    Reads: y_true: class ids (batch, ...) or one-hot (batch, ..., C); y_pred: (batch, ..., C)
        probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...).
    Edges: without smoothing only the target's term is left: the focal loss of gamma_positive.
    Source: Ridnik et al. 2021, Asymmetric Loss for Multi-Label Classification; the form for one
        label is that of the authors' code.

    >>> abs(float(AsymmetricSingleLabel(label_smoothing=0.0)([1], [[0.0, 1.0]])))
    0.0

    Args:
        gamma_negative: how fast the smoothed part of the other classes fades, >= 0.
        gamma_positive: how fast an easy target fades, >= 0.
        label_smoothing: s, in [0, 1].
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Ridnik et al. 2021, Asymmetric Loss for Multi-Label Classification"
    minimum = None
    search = {"gamma_negative": Float(0.0, 6.0), "gamma_positive": Float(0.0, 2.0)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "gamma_positive": 0.0, "label_smoothing": 0.0},
        {"from_logits": True, "gamma_negative": 0.5, "gamma_positive": 0.5},
    )

    def __init__(
        self,
        gamma_negative: float = 4.0,
        gamma_positive: float = 1.0,
        label_smoothing: float = 0.1,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        name = "AsymmetricSingleLabel"
        self.gamma_negative = check_range(name, "gamma_negative", gamma_negative, 0.0)
        self.gamma_positive = check_range(name, "gamma_positive", gamma_positive, 0.0)
        self.label_smoothing = check_range(name, "label_smoothing", label_smoothing, 0.0, 1.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.one_hot_targets(y_true, y_pred)
        log_p = logp.log_softmax(y_pred, self.from_logits)
        positive = ops.exp(self.gamma_positive * logp.log_complement(log_p))
        negative = ops.exp(self.gamma_negative * log_p)
        weight = targets * positive + (1.0 - targets) * negative
        s = self.label_smoothing
        return -ops.sum(weight * (targets * (1.0 - s) + s / y_pred.shape[-1]) * log_p, axis=-1)
