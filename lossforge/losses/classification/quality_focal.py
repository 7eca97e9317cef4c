"""Focal losses whose target is a quality in [0, 1], such as the IoU of the predicted box."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class QualityFocal(Loss):
    """Binary cross-entropy against a quality, that fades as the score comes near it.

        loss = mean_c |y_c - p_c|^beta * -(y_c log p_c + (1 - y_c) log(1 - p_c))

    Reads: y_true: (batch, ..., C) qualities in [0, 1], 0 for the other classes; y_pred:
        (batch, ..., C) probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...), the mean over classes.
    Source: Li et al. 2020, Generalized Focal Loss: Learning Qualified and Distributed Bounding
        Boxes for Dense Object Detection, equation 4.

    >>> round(float(QualityFocal()([[0.5, 0.0]], [[0.5, 0.0]])), 6)
    0.0

    Args:
        beta: how fast the loss fades near the target, >= 0; the paper's 2.
        from_logits: whether predictions are logits.
    """

    kinds = ("quality", "multilabel", "binary")
    source = "Li et al. 2020, Generalized Focal Loss"
    search = {"beta": Float(1.0, 4.0)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "beta": 1.0})

    def __init__(self, beta: float = 2.0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.beta = check_range("QualityFocal", "beta", beta, 0.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        distance = ops.maximum(ops.abs(targets - ops.exp(log_p)), 1e-12)
        cross_entropy = -(targets * log_p + (1.0 - targets) * log_q)
        return mean_over_last_axis(distance**self.beta * cross_entropy)


class Varifocal(Loss):
    """Quality as target and weight of positives; only negatives fade.

        y > 0    loss = -y (y log p + (1 - y) log(1 - p))
        y = 0    loss = -alpha p^gamma log(1 - p)                      mean over classes

    Reads: y_true: (batch, ..., C) qualities in [0, 1]; y_pred: (batch, ..., C) probabilities, or
        logits with `from_logits=True`.
    Returns: (batch, ...), the mean over classes.
    Edges: alpha weighs negatives here, the opposite of focal's alpha, as in the paper.
    Source: Zhang et al. 2021, VarifocalNet: An IoU-aware Dense Object Detector, equation 2.

    >>> float(Varifocal()([[1.0, 0.0]], [[1.0, 0.0]]))
    0.0

    Args:
        alpha: weight of negatives, >= 0; the paper's 0.75.
        gamma: how fast easy negatives fade, >= 0; the paper's 2.
        from_logits: whether predictions are logits.
    """

    kinds = ("quality", "multilabel", "binary")
    source = "Zhang et al. 2021, VarifocalNet"
    minimum = None
    search = {"alpha": Float(0.1, 1.5, log=True), "gamma": Float(0.5, 4.0)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "gamma": 0.5})

    def __init__(
        self, alpha: float = 0.75, gamma: float = 2.0, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("Varifocal", "alpha", alpha, 0.0)
        self.gamma = check_range("Varifocal", "gamma", gamma, 0.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        positive = -targets * (targets * log_p + (1.0 - targets) * log_q)
        negative = -self.alpha * ops.exp(self.gamma * log_p) * log_q
        return mean_over_last_axis(ops.where(targets > 0, positive, negative))
