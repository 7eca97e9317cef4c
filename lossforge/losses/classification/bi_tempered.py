"""Bi-tempered logistic loss: a bounded logarithm over a heavy-tailed softmax."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float

NEWTON_STEPS = 12


class BiTempered(Loss):
    """Cross-entropy with two temperatures: far outliers cost little, near ones do not pull hard.

        log_t(x) = (x^(1-t) - 1) / (1 - t),     exp_t(x) = max(0, 1 + (1 - t) x)^(1/(1-t))
        p_c      = exp_t2(z_c - lambda), with lambda so that the p_c sum to 1
        loss     = sum_c y_c (log_t1 y_c - log_t1 p_c) - (y_c^(2-t1) - p_c^(2-t1)) / (2 - t1)

    t1 < 1 bounds the loss, t2 > 1 gives the softmax a heavy tail; t1 = t2 = 1 is cross-entropy less
    the entropy of the labels. lambda is found by Newton steps on a concave function, that come to
    the root from one side; five of the paper's fixed-point steps stop short of it. The gradient is
    that of the exact lambda.

    Reads: y_pred: (batch, ..., C) logits z with `from_logits=True`; probabilities are taken as an
        ordinary softmax's, z = log p. y_true: class ids (batch, ...), one-hot or soft labels
        (batch, ..., C).
    Returns: (batch, ...), with one label an example at most 1 / (1 - t1).
    Edges: finite for any logits.
    Source: Amid et al. 2019, Robust Bi-Tempered Logistic Loss Based on Bregman Divergences.

    >>> round(float(BiTempered()([0], [[1.0, 0.0]])), 3)
    0.0

    Args:
        t1: in [0, 1]; the paper's 0.8.
        t2: in [1, 4]; the paper's 1.2.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for temperatures out of range.
    """

    kinds = ("multiclass",)
    source = "Amid et al. 2019, Robust Bi-Tempered Logistic Loss Based on Bregman Divergences"
    minimum = None
    search = {"t1": Float(0.2, 1.0), "t2": Float(1.0, 2.0)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "t1": 0.3, "t2": 2.0},
        {"from_logits": True, "t1": 1.0, "t2": 1.0},
        {"from_logits": True, "t1": 0.0, "t2": 1.05},
    )

    def __init__(
        self, t1: float = 0.8, t2: float = 1.2, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.t1 = check_range("BiTempered", "t1", t1, 0.0, 1.0)
        self.t2 = check_range("BiTempered", "t2", t2, 1.0, 4.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = logp.log_softmax(y_pred, self.from_logits)  # shifted, which changes nothing
        log_p = log_tempered_softmax(logits, self.t2)
        targets = logp.one_hot_targets(y_true, y_pred)
        labelled = targets > 0
        log_y = ops.log(ops.where(labelled, targets, 1.0))
        t = 1.0 - self.t1
        if t > 0:  # log_t y - log_t p
            gap = (ops.expm1(t * log_y) - ops.expm1(t * log_p)) / t
        else:
            gap = log_y - log_p
        mass = ops.where(labelled, ops.exp((1.0 + t) * log_y), 0.0) - ops.exp((1.0 + t) * log_p)
        return ops.sum(targets * gap - mass / (1.0 + t), axis=-1)


def log_tempered_softmax(logits: Any, t: float) -> Any:
    """log exp_t(z - lambda), for t >= 1."""
    if t == 1.0:
        return ops.log_softmax(logits, axis=-1)
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    fixed = ops.stop_gradient(shifted)
    normaliser = ops.zeros_like(fixed[..., :1])
    for _ in range(NEWTON_STEPS):
        normaliser = normaliser + _newton_step(fixed, normaliser, t)
    # At the root this last step is 0, but its slope is that of the root.
    normaliser = ops.stop_gradient(normaliser)
    normaliser = normaliser + _newton_step(shifted, normaliser, t)
    return -ops.log1p((t - 1.0) * (normaliser - shifted)) / (t - 1.0)


def _newton_step(shifted: Any, normaliser: Any, t: float) -> Any:
    """Towards (sum_c exp_t(z_c - lambda))^(1 - t) = 1, whose left side is concave in lambda."""
    log_base = ops.log1p((t - 1.0) * (normaliser - shifted))
    log_p = -log_base / (t - 1.0)
    log_total = ops.logsumexp(log_p, axis=-1, keepdims=True)
    # d log_total / d lambda = -sum_c p_c^t / sum_c p_c
    log_slope = ops.logsumexp(t * log_p, axis=-1, keepdims=True) - log_total
    slope = ops.stop_gradient(ops.exp(log_slope))
    return ops.expm1((t - 1.0) * log_total) / ((t - 1.0) * slope)
