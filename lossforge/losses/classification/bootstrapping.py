"""Labels that are not believed outright: bootstrapped targets, and learning from what is wrong."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.classification.active_passive import of_label
from lossforge.ranges import Choice, Float


class Bootstrapping(Loss):
    """Cross-entropy against a mixture of the label and the model's own belief.

        soft   loss = -sum_c (beta y_c + (1 - beta) p_c) log p_c
        hard   loss = -sum_c (beta y_c + (1 - beta) [c = argmax p]) log p_c

    The gradient of the soft form runs through both p: it is beta cross-entropy plus 1 - beta of the
    prediction's entropy, as the paper says. The hard form's argmax is constant.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Source: Reed et al. 2015, Training Deep Neural Networks on Noisy Labels with Bootstrapping,
        equations 6 and 7.

    >>> round(float(Bootstrapping()([0], [[0.5, 0.5]])), 4)
    0.6931

    Args:
        beta: trust in the labels, in [0, 1]; the paper's 0.95 for soft and 0.8 for hard.
        mode: "soft" or "hard".
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a mode that does not exist, or beta out of range.
    """

    kinds = ("multiclass",)
    source = "Reed et al. 2015, Training Deep Neural Networks on Noisy Labels with Bootstrapping"
    search = {"beta": Float(0.5, 1.0), "mode": Choice(("soft", "hard"))}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "beta": 0.6},
        {"from_logits": True, "beta": 0.8, "mode": "hard"},
        {"mode": "hard"},
    )

    def __init__(
        self, beta: float = 0.95, mode: str = "soft", from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.beta = check_range("Bootstrapping", "beta", beta, 0.0, 1.0)
        if mode not in ("soft", "hard"):
            raise ValueError(f"Bootstrapping: mode must be 'soft' or 'hard', got {mode!r}.")
        self.mode = mode
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        if logp.is_class_ids(y_true, y_pred):
            given = of_label(y_true, log_p)
        else:
            given = ops.sum(ops.cast(y_true, log_p.dtype) * log_p, axis=-1)
        if self.mode == "soft":
            believed = ops.sum(ops.exp(log_p) * log_p, axis=-1)
        else:
            believed = ops.max(log_p, axis=-1)
        return -(self.beta * given + (1.0 - self.beta) * believed)


class NegativeLearning(Loss):
    """Learns what an example is not: a wrong label is rarely wrong about that.

        loss = -mean_{k != y} log(1 - p_k)

    The paper draws one other class k at random at each step; this is the mean over that draw, with
    less noise in the gradient. Soft labels weigh the classes by 1 - y_k.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Edges: with logits the loss and its slope grow on for sure wrong predictions: log(1 - p_k) is
        taken over the other logits where p_k is the largest.
    Source: Kim et al. 2019, NLNL: Negative Learning for Noisy Labels, equation 2.

    >>> float(NegativeLearning()([0], [[1.0, 0.0]]))
    0.0

    Args:
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Kim et al. 2019, NLNL: Negative Learning for Noisy Labels"
    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_q = log_others(y_pred, self.from_logits)
        total = ops.sum(log_q, axis=-1)
        if logp.is_class_ids(y_true, y_pred):
            given = of_label(y_true, log_q)
        else:
            given = ops.sum(ops.cast(y_true, log_q.dtype) * log_q, axis=-1)
        return (given - total) / max(y_pred.shape[-1] - 1, 1)


def log_others(y_pred: Any, from_logits: bool) -> Any:
    """log(1 - p_k) of each of several classes, with a slope even where p_k is 1 in float32."""
    if not from_logits:
        total = ops.sum(y_pred, axis=-1, keepdims=True)
        return logp.safe_log(total - y_pred) - logp.safe_log(total)
    log_p = ops.log_softmax(y_pred, axis=-1)
    classes = ops.arange(y_pred.shape[-1])
    is_top = ops.equal(classes, ops.argmax(y_pred, axis=-1)[..., None])
    rest = ops.logsumexp(ops.where(is_top, -1e30, y_pred), axis=-1, keepdims=True)
    top = rest - ops.logsumexp(y_pred, axis=-1, keepdims=True)
    below_half = ops.where(is_top, -1.0, log_p)  # p <= 1/2 for all but the largest
    return ops.where(is_top, top, ops.log1p(-ops.exp(below_half)))
