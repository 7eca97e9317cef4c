"""Losses that a wrong label cannot drag far: functions of the probability given to the label."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class LabelLoss(Loss):
    """sum_c y_c f(p_c): a subclass writes `of(log_p)`, which is f; class ids make no one-hot."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        if logp.is_class_ids(y_true, y_pred):
            ids = logp.class_ids(y_true, y_pred)
            return self.of(ops.squeeze(ops.take_along_axis(log_p, ids[..., None], axis=-1), -1))
        return ops.sum(ops.cast(y_true, log_p.dtype) * self.of(log_p), axis=-1)

    def of(self, log_p: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define of(log_p).")


class GeneralisedCrossEntropy(LabelLoss):
    """Between cross-entropy, which learns fast, and absolute error, which forgives wrong labels.

        loss = (1 - p_y^q) / q          q -> 0: -log p_y;   q = 1: 1 - p_y

    With `truncation` k the loss is constant, (1 - k^q) / q, where p_y <= k: such an example is
    taken for mislabelled and has no gradient.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...), in [0, 1 / q].
    Edges: finite value and gradient at p_y = 0; q = 0 is cross-entropy.
    Source: Zhang and Sabuncu 2018, Generalized Cross Entropy Loss for Training Deep Neural Networks
        with Noisy Labels, equations 6 and 9.

    >>> float(GeneralisedCrossEntropy(q=1.0)([1], [[0.25, 0.75]]))
    0.25

    Args:
        q: in [0, 1]; the paper's 0.7.
        truncation: k, in [0, 1); the paper's 0.5 for the truncated loss, 0 for none.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("multiclass",)
    source = "Zhang and Sabuncu 2018, Generalized Cross Entropy Loss"
    search = {"q": Float(0.05, 1.0)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "q": 0.0},
        {"from_logits": True, "q": 1.0},
        {"from_logits": True, "truncation": 0.3},
        {"from_logits": True, "q": 0.0, "truncation": 0.1},
    )

    def __init__(
        self, q: float = 0.7, truncation: float = 0.0, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.q = check_range("GeneralisedCrossEntropy", "q", q, 0.0, 1.0)
        self.truncation = check_range(
            "GeneralisedCrossEntropy", "truncation", truncation, 0.0, 1.0 - 1e-9
        )
        self.from_logits = bool(from_logits)

    def of(self, log_p: Any) -> Any:
        if self.truncation > 0:
            log_p = ops.maximum(log_p, math.log(self.truncation))
        return -ops.expm1(self.q * log_p) / self.q if self.q > 0 else -log_p


class TaylorCrossEntropy(LabelLoss):
    """The first terms of the logarithm's series: from absolute error to cross-entropy.

        loss = sum_{k = 1..order} (1 - p_y)^k / k

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...), at most 1 + 1/2 + ... + 1/order.
    Source: Feng et al. 2020, Can Cross Entropy Loss Be Robust to Label Noise?, equation 8.

    >>> round(float(TaylorCrossEntropy(order=2)([0], [[0.5, 0.5]])), 4)
    0.625

    Args:
        order: a whole number from 1 (absolute error) to 64; the paper's 2 to 6.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for an order that is no whole number in this range.
    """

    kinds = ("multiclass",)
    source = "Feng et al. 2020, Can Cross Entropy Loss Be Robust to Label Noise?"
    search = {"order": Choice((1, 2, 3, 4, 6, 10))}
    variants = ({}, {"from_logits": True}, {"order": 1}, {"from_logits": True, "order": 6})

    def __init__(self, order: int = 2, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        if order != int(check_range("TaylorCrossEntropy", "order", order, 1, 64)):
            raise ValueError(f"TaylorCrossEntropy: order must be a whole number, got {order!r}.")
        self.order = int(order)
        self.from_logits = bool(from_logits)

    def of(self, log_p: Any) -> Any:
        wrong = -ops.expm1(log_p)
        total = ops.zeros_like(wrong)
        for k in range(self.order, 0, -1):
            total = wrong * (total + 1.0 / k)
        return total


class PHuberCrossEntropy(LabelLoss):
    """Cross-entropy that goes on as a straight line where the label looks wrong.

        loss = -log p_y                        where p_y > 1 / tau
               1 + log tau - tau p_y           elsewhere

    Value and slope in p join at 1 / tau.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...), at most 1 + log tau.
    Source: Menon et al. 2020, Can Gradient Clipping Mitigate Label Noise?, equation 8.

    >>> round(float(PHuberCrossEntropy(tau=1.0)([0], [[0.25, 0.75]])), 4)
    0.75

    Args:
        tau: >= 1; the paper's 2 to 10. 1 is absolute error.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for tau below 1.
    """

    kinds = ("multiclass",)
    source = "Menon et al. 2020, Can Gradient Clipping Mitigate Label Noise?"
    search = {"tau": Float(1.0, 50.0, log=True)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "tau": 1.5})

    def __init__(self, tau: float = 10.0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.tau = check_range("PHuberCrossEntropy", "tau", tau, 1.0)
        self.from_logits = bool(from_logits)

    def of(self, log_p: Any) -> Any:
        log_tau = math.log(self.tau)
        line = 1.0 + log_tau - self.tau * ops.exp(ops.minimum(log_p, -log_tau))
        return ops.where(log_p > -log_tau, -log_p, line)


class AGCE(LabelLoss):
    """Asymmetric generalised cross-entropy: forgives wrong labels while right ones are in majority.

        loss = ((a + 1)^q - (a + p_y)^q) / q

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Source: Zhou et al. 2021, Asymmetric Loss Functions for Learning with Noisy Labels, section 4.

    >>> float(AGCE(a=1.0, q=1.0)([0], [[0.25, 0.75]]))
    0.75

    Args:
        a: > 0.
        q: > 0.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("multiclass",)
    source = "Zhou et al. 2021, Asymmetric Loss Functions for Learning with Noisy Labels"
    search = {"a": Float(0.1, 10.0, log=True), "q": Float(0.1, 3.0, log=True)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "a": 6.0, "q": 1.5})

    def __init__(
        self, a: float = 0.6, q: float = 0.6, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.a = check_range("AGCE", "a", a, 1e-3, 1e3)
        self.q = check_range("AGCE", "q", q, 1e-3, 10.0)
        self.from_logits = bool(from_logits)

    def of(self, log_p: Any) -> Any:
        return ((self.a + 1.0) ** self.q - (self.a + ops.exp(log_p)) ** self.q) / self.q


class AUL(LabelLoss):
    """Asymmetric unhinged loss: forgives wrong labels while right ones are in majority.

        loss = ((a - p_y)^q - (a - 1)^q) / q

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Source: Zhou et al. 2021, Asymmetric Loss Functions for Learning with Noisy Labels, section 4.

    >>> float(AUL(a=2.0, q=1.0)([0], [[0.25, 0.75]]))
    0.75

    Args:
        a: > 1.
        q: > 0.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("multiclass",)
    source = "Zhou et al. 2021, Asymmetric Loss Functions for Learning with Noisy Labels"
    search = {"a": Float(1.1, 10.0, log=True), "q": Float(0.1, 3.0, log=True)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "a": 1.5, "q": 0.9})

    def __init__(
        self, a: float = 5.5, q: float = 3.0, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.a = check_range("AUL", "a", a, 1.001, 1e3)
        self.q = check_range("AUL", "q", q, 1e-3, 10.0)
        self.from_logits = bool(from_logits)

    def of(self, log_p: Any) -> Any:
        return ((self.a - ops.exp(log_p)) ** self.q - (self.a - 1.0) ** self.q) / self.q


class AEL(LabelLoss):
    """Asymmetric exponential loss: forgives wrong labels while right ones are in majority.

        loss = exp(-p_y / a) - exp(-1 / a)

    The paper's, less a constant, so that a perfect prediction costs 0.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Source: Zhou et al. 2021, Asymmetric Loss Functions for Learning with Noisy Labels, section 4.

    >>> round(float(AEL(a=1.0)([0], [[0.5, 0.5]])), 4)  # exp(-1/2) - exp(-1)
    0.2387

    Args:
        a: > 0; the paper's 2.5 to 5.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for an `a` out of range.
    """

    kinds = ("multiclass",)
    source = "Zhou et al. 2021, Asymmetric Loss Functions for Learning with Noisy Labels"
    search = {"a": Float(0.1, 10.0, log=True)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "a": 0.5})

    def __init__(self, a: float = 2.5, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.a = check_range("AEL", "a", a, 1e-2, 1e3)
        self.from_logits = bool(from_logits)

    def of(self, log_p: Any) -> Any:
        # exp(-1/a) (exp((1 - p)/a) - 1): no difference of near equals.
        return math.exp(-1.0 / self.a) * ops.expm1(-ops.expm1(log_p) / self.a)
