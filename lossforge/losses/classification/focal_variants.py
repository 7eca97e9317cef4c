"""Focal losses that keep the middle, keep their size, or know peaks and their surroundings."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class ReducedFocal(Loss):
    """Focal loss that fades only what is easy: below the threshold it is cross-entropy.

        f = 1 where p_t < threshold, else ((1 - p_t) / threshold)^gamma
        loss = -f log p_t                mean over classes for binary and multilabel

    With threshold 0.5 the factor is continuous at the threshold.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; C = 1 is
        binary. y_true: class ids (batch, ...), or one-hot, soft or multi-hot (batch, ..., C).
    Returns: (batch, ...).
    Source: Sergievskiy & Ponamarev 2019, Reduced Focal Loss: 1st Place Solution to xView Object
        Detection in Satellite Imagery, equation 3.

    >>> round(float(ReducedFocal()([[1]], [[0.4]])), 4)
    0.9163

    Args:
        gamma: how fast easy examples fade, >= 0; the paper's 2.
        threshold: in (0, 1); the paper's 0.5.
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Sergievskiy & Ponamarev 2019, Reduced Focal Loss"
    search = {"gamma": Float(0.0, 4.0), "threshold": Float(0.2, 0.8)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "gamma": 0.5, "threshold": 0.7},
    )

    def __init__(
        self,
        gamma: float = 2.0,
        threshold: float = 0.5,
        task: str | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.gamma = check_range("ReducedFocal", "gamma", gamma, 0.0)
        self.threshold = check_range("ReducedFocal", "threshold", threshold, 1e-3, 0.999)
        self.task = logp.check_task("ReducedFocal", task)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            log_p = logp.log_softmax(y_pred, self.from_logits)
            values = self._reduced(log_p, logp.log_complement(log_p))
            return ops.sum(logp.one_hot_targets(y_true, y_pred) * values, axis=-1)
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        values = targets * self._reduced(log_p, log_q)
        return mean_over_last_axis(values + (1.0 - targets) * self._reduced(log_q, log_p))

    def _reduced(self, log_p: Any, log_q: Any) -> Any:
        easy = ops.exp(log_p) >= self.threshold
        faded = ops.exp(self.gamma * log_q) / self.threshold**self.gamma
        return -ops.where(easy, faded, 1.0) * log_p


class NormalisedFocal(Loss):
    """Focal loss whose weights are divided by their mean: its size does not fade with training.

        f = (1 - p_t)^gamma,   loss = -f / mean(f) log p_t,   mean(f) held constant

    with the mean over all elements that count, and over classes for binary and multilabel.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; C = 1 is
        binary. y_true: class ids (batch, ...), or one-hot or multi-hot (batch, ..., C).
    Returns: (batch, ...); a loss over the whole batch.
    Edges: gamma = 0 is cross-entropy. The paper takes the mean within each image.
    Source: Sofiiuk et al. 2019, AdaptIS: Adaptive Instance Selection Network, equation 7.

    >>> round(float(NormalisedFocal()([[1], [1]], [[0.5], [0.5]])), 4)
    0.6931

    Args:
        gamma: how fast easy examples fade, >= 0; the paper's 2.
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Sofiiuk et al. 2019, AdaptIS"
    batch_coupled = True
    detached = True
    search = {"gamma": Float(0.0, 4.0)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "gamma": 0.5})

    def __init__(
        self, gamma: float = 2.0, task: str | None = None, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.gamma = check_range("NormalisedFocal", "gamma", gamma, 0.0)
        self.task = logp.check_task("NormalisedFocal", task)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            targets = logp.one_hot_targets(y_true, y_pred)
            log_p = logp.log_softmax(y_pred, self.from_logits)
            log_p = ops.sum(targets * log_p, axis=-1, keepdims=True)
            log_q = logp.log_complement(log_p)
        else:
            targets = logp.binary_targets(y_true, y_pred)
            log_1, log_0 = logp.log_sigmoid(y_pred, self.from_logits)
            log_p = targets * log_1 + (1.0 - targets) * log_0
            log_q = targets * log_0 + (1.0 - targets) * log_1
        counts = ops.broadcast_to(align(counts, log_q), ops.shape(log_q))
        gamma_log_q = self.gamma * log_q
        highest = ops.max(ops.where(counts, gamma_log_q, -1e30))
        highest = ops.stop_gradient(ops.where(ops.any(counts), highest, 0.0))
        factor = ops.exp(gamma_log_q - highest)  # the largest is 1: no underflow late in training
        number = ops.sum(ops.cast(counts, factor.dtype))
        mean = ops.sum(ops.where(counts, factor, 0.0)) / ops.maximum(number, 1.0)
        mean = ops.stop_gradient(ops.where(mean > 0, mean, 1.0))
        return mean_over_last_axis(-factor / mean * log_p)


class GaussianFocal(Loss):
    """Focal loss for heat maps: peaks are positives, their surroundings lighter negatives.

        y = 1    loss = -(1 - p)^alpha log p
        y < 1    loss = -(1 - y)^beta p^alpha log(1 - p)              sum over classes

    Reads: y_true: (batch, ..., C) in [0, 1], exactly 1 at peaks (or from `peak` on), falling off
        around them; y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...); with `per_peak=True` times positions / peaks of the example, so that
        the mean over positions is the sum a peak, as in the paper (which counts peaks over the
        batch).
    Edges: an example without peaks is divided by 1. Positions of weight 0 are neither.
    Source: Law & Deng 2018, CornerNet: Detecting Objects as Paired Keypoints, equation 1.

    >>> float(GaussianFocal()([[[1.0], [0.5]]], [[[1.0], [0.0]]]))
    0.0

    Args:
        alpha: how fast easy positions fade, >= 0; the paper's 2.
        beta: how much lighter the surroundings of peaks are, >= 0; the paper's 4.
        peak: targets from here on are positives, in (0, 1].
        per_peak: whether to divide by the number of peaks.
        from_logits: whether predictions are logits.
    """

    kinds = ("heat_map",)
    source = "Law & Deng 2018, CornerNet"
    search = {"alpha": Float(0.5, 4.0), "beta": Float(1.0, 8.0)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "per_peak": False, "alpha": 0.5, "beta": 1.0},
        {"from_logits": True, "peak": 0.8},
    )

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 4.0,
        peak: float = 1.0,
        per_peak: bool = True,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("GaussianFocal", "alpha", alpha, 0.0)
        self.beta = check_range("GaussianFocal", "beta", beta, 0.0)
        self.peak = check_range("GaussianFocal", "peak", peak, 1e-3, 1.0)
        self.per_peak = bool(per_peak)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        targets = ops.cast(y_true, y_pred.dtype)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        peaks = targets >= self.peak
        positive = -ops.exp(self.alpha * log_q) * log_p
        far = ops.maximum(1.0 - targets, 0.0) ** self.beta
        negative = -far * ops.exp(self.alpha * log_p) * log_q
        values = ops.sum(ops.where(peaks, positive, negative), axis=-1)
        if not self.per_peak:
            return values
        axes = tuple(range(1, len(values.shape)))
        counts = ops.broadcast_to(align(counts, values), ops.shape(values))
        positions = ops.sum(ops.cast(counts, values.dtype), axis=axes, keepdims=True)
        peaks = ops.sum(ops.cast(peaks, values.dtype), axis=-1)
        peaks = ops.sum(ops.where(counts, peaks, 0.0), axis=axes, keepdims=True)
        return values * positions / ops.maximum(peaks, 1.0)
