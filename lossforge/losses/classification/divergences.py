"""Distances between the predicted distribution and the target one, or one of another view."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class KLDivergence(Loss):
    """How far the predicted distribution is from the target one.

        forward           sum_c y_c (log y_c - log p_c)
        reverse           sum_c p_c (log p_c - log y_c)
        jensen_shannon    half of forward to m, half of reverse's from m,   m = (y + p) / 2

    Reads: y_true: (batch, ..., C) shares that sum to 1, their logarithms with `log_targets=True`,
        or class ids; y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...), in nats; 0 when equal.
    Edges: targets of 0 are exact (Keras raises them to 1e-7, which biases the value); in reverse
        they count as 1e-7, since log 0 is infinite. Probabilities are normalised first, so that
        the generalised divergence, with + sum(p - y), has the same value.
    Source: Kullback & Leibler 1951, On Information and Sufficiency; Lin 1991, Divergence Measures
        Based on the Shannon Entropy.

    >>> float(KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]))
    0.0

    Args:
        direction: "forward", "reverse" or "jensen_shannon".
        log_targets: whether targets are logarithms.
        from_logits: whether predictions are logits.
    """

    kinds = ("histogram",)
    source = "Kullback & Leibler 1951, On Information and Sufficiency"
    search = {"direction": Choice(("forward", "reverse", "jensen_shannon"))}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "direction": "reverse"},
        {"from_logits": True, "direction": "jensen_shannon"},
        {"direction": "jensen_shannon"},
    )

    def __init__(
        self,
        direction: str = "forward",
        log_targets: bool = False,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if direction not in ("forward", "reverse", "jensen_shannon"):
            raise ValueError(
                "KLDivergence: direction must be 'forward', 'reverse' or 'jensen_shannon', "
                f"got {direction!r}."
            )
        self.direction = direction
        self.log_targets = bool(log_targets)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        if self.log_targets:
            log_y = ops.maximum(ops.cast(y_true, y_pred.dtype), -1e30)
            y = ops.exp(log_y)
        else:
            y = logp.one_hot_targets(y_true, y_pred)
            log_y = ops.log(ops.where(y > 0, y, 1.0))
        if self.direction == "forward":
            return ops.sum(y * (log_y - log_p), axis=-1)
        p = ops.exp(log_p)
        if self.direction == "reverse":
            smallest = math.log(logp.SMALLEST_PROBABILITY)
            log_y = ops.where(y > logp.SMALLEST_PROBABILITY, log_y, smallest)
            return ops.sum(p * (log_p - log_y), axis=-1)
        return 0.5 * (to_mixture(y, log_y, p) + to_mixture(p, log_p, y))


class AugMix(Loss):
    """Cross-entropy of the clean view, and agreement of all views of an example.

        m = mean of the views' p,   loss = -log p_clean,t + weight mean_v KL(p_v || m)

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, V, C) probabilities,
        or logits with `from_logits=True`, the clean view first, V >= 2.
    Returns: (batch,).
    Source: Hendrycks et al. 2020, AugMix: A Simple Data Processing Method to Improve Robustness and
        Uncertainty, section 3.

    >>> float(AugMix()([0], [[[1.0, 0.0], [1.0, 0.0]]]))
    0.0

    Args:
        weight: of the agreement, >= 0; the paper's 12 with one clean and two mixed views.
        label_smoothing: of the cross-entropy, in [0, 1].
        from_logits: whether predictions are logits.
    """

    kinds = ("class_views",)
    source = "Hendrycks et al. 2020, AugMix"
    search = {"weight": Float(1.0, 20.0, log=True)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "weight": 1.0, "label_smoothing": 0.1},
    )

    def __init__(
        self,
        weight: float = 12.0,
        label_smoothing: float = 0.0,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.weight = check_range("AugMix", "weight", weight, 0.0)
        self.label_smoothing = check_range("AugMix", "label_smoothing", label_smoothing, 0.0, 1.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        clean, s = log_p[:, 0], self.label_smoothing
        targets = logp.one_hot_targets(y_true, clean) * (1.0 - s) + s / y_pred.shape[-1]
        views = y_pred.shape[1]
        p = ops.exp(log_p)
        mixture = ops.sum(p, axis=1, keepdims=True) / views
        log_m = ops.log(ops.maximum(mixture, 1e-30))
        apart = ops.sum(p * (log_p - log_m), axis=(1, 2)) / views
        return self.weight * apart - ops.sum(targets * clean, axis=-1)


class ConfidencePenalty(Loss):
    """Cross-entropy that charges for certainty: the entropy of the prediction is wanted.

        loss = -log p_t - beta H(p)            or, with a threshold, + beta max(0, threshold - H(p))

    Reads: y_true: class ids (batch, ...), one-hot or soft labels (batch, ..., C); y_pred:
        (batch, ..., C) probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...); may be negative without a threshold.
    Edges: the optimum is below p = 1 for any beta > 0, as with label smoothing.
    Source: Pereyra et al. 2017, Regularizing Neural Networks by Penalizing Confident Output
        Distributions.

    >>> round(float(ConfidencePenalty(beta=1.0)([0], [[0.5, 0.5]])), 4)
    0.0

    Args:
        beta: weight of the entropy, >= 0; the paper's 0.1.
        threshold: entropy in nats from which on nothing is charged; None: always.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Pereyra et al. 2017, Regularizing Neural Networks by Penalizing Confident Outputs"
    minimum = None
    search = {"beta": Float(0.01, 1.0, log=True)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "beta": 0.5, "threshold": 0.8},
    )

    def __init__(
        self,
        beta: float = 0.1,
        threshold: float | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.beta = check_range("ConfidencePenalty", "beta", beta, 0.0)
        if threshold is not None:
            threshold = check_range("ConfidencePenalty", "threshold", threshold, 0.0)
        self.threshold = threshold
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        charge = ops.sum(ops.exp(log_p) * log_p, axis=-1)
        if self.threshold is not None:
            charge = ops.maximum(self.threshold + charge, 0.0)
        targets = logp.one_hot_targets(y_true, y_pred)
        return self.beta * charge - ops.sum(targets * log_p, axis=-1)


def to_mixture(p: Any, log_p: Any, q: Any) -> Any:
    """KL(p || (p + q) / 2); `log_p` may be anything finite where p is 0."""
    log_m = ops.log(ops.maximum(0.5 * (p + q), 1e-30))
    return ops.sum(p * (log_p - log_m), axis=-1)
