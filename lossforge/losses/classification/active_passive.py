"""A loss that learns plus one that forgives: symmetric cross-entropy and active-passive pairs."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class SymmetricCrossEntropy(Loss):
    """Cross-entropy both ways: from label to prediction, and from prediction to label.

        loss = -alpha sum_c y_c log p_c - beta sum_c p_c max(log y_c, log_zero)

    The second term is bounded: a wrong label can cost at most -beta log_zero there.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Edges: log 0 of a label counts as `log_zero`, the paper's A.
    Source: Wang et al. 2019, Symmetric Cross Entropy for Robust Learning with Noisy Labels,
        equations 5 to 7.

    >>> round(float(SymmetricCrossEntropy(alpha=0.0)([0], [[0.25, 0.75]])), 4)
    3.0

    Args:
        alpha: weight of cross-entropy, >= 0; the paper's 0.1 (6 for many classes).
        beta: weight of the reverse, >= 0; the paper's 1 (0.1 for many classes).
        log_zero: < 0; the paper's -4.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("multiclass",)
    source = "Wang et al. 2019, Symmetric Cross Entropy for Robust Learning with Noisy Labels"
    search = {"alpha": Float(0.01, 10.0, log=True), "beta": Float(0.01, 10.0, log=True)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "alpha": 1.0, "log_zero": -2.0})

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("SymmetricCrossEntropy", "alpha", alpha, 0.0)
        self.beta = check_range("SymmetricCrossEntropy", "beta", beta, 0.0)
        self.log_zero = check_range("SymmetricCrossEntropy", "log_zero", log_zero, -1e4, -1e-6)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        if logp.is_class_ids(y_true, y_pred):
            log_py = of_label(y_true, log_p)
            return -self.alpha * log_py + self.beta * self.log_zero * ops.expm1(log_py)
        targets = ops.cast(y_true, log_p.dtype)
        # A label of exp(log_zero) or less has the logarithm log_zero.
        log_y = ops.log(ops.maximum(targets, math.exp(self.log_zero)))
        values = self.alpha * targets * log_p + self.beta * ops.exp(log_p) * log_y
        return -ops.sum(values, axis=-1)


class ActivePassive(Loss):
    """A normalised loss, which raises the label's score, plus a bounded one, which lowers others'.

        loss = alpha active + beta passive
        active     "nce"   sum_c y_c log p_c / sum_k log p_k
                   "nfl"   the same for (1 - p)^gamma log p
        passive    "mae"   sum_c |y_c - p_c|
                   "rce"   -sum_c p_c max(log y_c, log_zero), log_zero = -4

    Each part is robust by itself, too slow alone; beta = 0 or alpha = 0 gives one of them. With one
    label an example, mae is 2 (1 - p_y) and rce 4 (1 - p_y).

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Source: Ma et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels, equations
        5, 10 and 13.

    >>> round(float(ActivePassive(passive="mae")([0], [[0.5, 0.5]])), 4)
    1.5

    Args:
        alpha: weight of the active loss, >= 0; the paper's 1 (10 for many classes).
        beta: weight of the passive loss, >= 0; the paper's 1 (0.1 for many classes).
        active: "nce" or "nfl".
        passive: "mae" or "rce".
        gamma: of "nfl", >= 0; the paper's 0.5.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for names that do not exist, or numbers out of range.
    """

    kinds = ("multiclass",)
    source = "Ma et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels"
    search = {
        "alpha": Float(0.1, 10.0, log=True),
        "beta": Float(0.1, 10.0, log=True),
        "active": Choice(("nce", "nfl")),
    }
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "active": "nfl", "passive": "mae", "beta": 0.5},
        {"from_logits": True, "active": "nfl", "gamma": 0.0},
        {"from_logits": True, "alpha": 0.0, "passive": "mae"},
    )

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        active: str = "nce",
        passive: str = "rce",
        gamma: float = 0.5,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("ActivePassive", "alpha", alpha, 0.0)
        self.beta = check_range("ActivePassive", "beta", beta, 0.0)
        if active not in ("nce", "nfl"):
            raise ValueError(f"ActivePassive: active must be 'nce' or 'nfl', got {active!r}.")
        if passive not in ("mae", "rce"):
            raise ValueError(f"ActivePassive: passive must be 'mae' or 'rce', got {passive!r}.")
        self.active, self.passive = active, passive
        self.gamma = check_range("ActivePassive", "gamma", gamma, 0.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        of_class = log_p
        if self.active == "nfl":
            of_class = ops.exp(self.gamma * logp.log_complement(log_p)) * log_p
        if logp.is_class_ids(y_true, y_pred):
            learns = of_label(y_true, of_class)
            forgives = -ops.expm1(of_label(y_true, log_p)) * (2.0 if self.passive == "mae" else 4.0)
        else:
            targets = ops.cast(y_true, log_p.dtype)
            learns = ops.sum(targets * of_class, axis=-1)
            forgives = ops.sum(self._passive(targets, ops.exp(log_p)), axis=-1)
        return self.alpha * learns / ops.sum(of_class, axis=-1) + self.beta * forgives

    def _passive(self, targets: Any, p: Any) -> Any:
        if self.passive == "mae":
            return ops.abs(targets - p)
        return -p * ops.log(ops.maximum(targets, math.exp(-4.0)))


def of_label(y_true: Any, log_p: Any) -> Any:
    """The label's column of (batch, ..., C), for class ids."""
    ids = logp.class_ids(y_true, log_p)
    return ops.squeeze(ops.take_along_axis(log_p, ids[..., None], axis=-1), axis=-1)
