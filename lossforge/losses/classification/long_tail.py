"""Softmax losses for classes of very different size, from the counts of the training set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.classification.active_passive import of_label
from lossforge.ranges import Choice, Float

COUNTS = (100.0, 50.0, 20.0, 5.0, 1.0)


class LogitAdjusted(Loss):
    """Cross-entropy with logits shifted, and scaled, by how frequent each class is.

        v_c  = (n_c / n_max)^gamma z_c + tau log n_c
        loss = -log softmax(v)_y

        gamma = 0, tau = 1   logit adjustment; balanced softmax, which is the same formula
        gamma > 0, tau = 0   class-dependent temperatures (CDT)
        gamma > 0, tau > 0   vector scaling (VS)

    At test time the plain logits are used: they are then those of balanced classes.

    Reads: y_pred: (batch, ..., C) logits with `from_logits=True`; probabilities are taken as their
        softmax, z = log p. y_true: class ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...).
    Source: Menon et al. 2021, Long-tail Learning via Logit Adjustment, equation 10; Ren et al.
        2020, Balanced Meta-Softmax; Ye et al. 2020, Identifying and Compensating for Feature
        Deviation in Imbalanced Deep Learning; Kini et al. 2021, Label-Imbalanced and
        Group-Sensitive Classification under Overparameterization, equation 2.

    >>> loss = LogitAdjusted(class_counts=(3, 1), from_logits=True)
    >>> round(float(loss([1], [[0.0, 0.0]])), 4)  # log 4
    1.3863

    Args:
        class_counts: examples of each class in the training set, or their shares, > 0.
        tau: strength of the shift, >= 0.
        gamma: strength of the scaling, >= 0.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for counts that are not positive, or numbers out of range.
    """

    kinds = ("multiclass",)
    source = "Menon et al. 2021, Long-tail Learning via Logit Adjustment"
    minimum = None
    search = {"tau": Float(0.0, 2.0), "gamma": Float(0.0, 0.5)}
    variants = (
        {"class_counts": COUNTS},
        {"class_counts": COUNTS, "from_logits": True},
        {"class_counts": COUNTS, "from_logits": True, "tau": 0.0, "gamma": 0.3},
        {"class_counts": COUNTS, "from_logits": True, "tau": 1.5, "gamma": 0.1},
    )

    def __init__(
        self,
        class_counts: Sequence[float],
        tau: float = 1.0,
        gamma: float = 0.0,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.class_counts = check_counts("LogitAdjusted", class_counts)
        self.tau = check_range("LogitAdjusted", "tau", tau, 0.0)
        self.gamma = check_range("LogitAdjusted", "gamma", gamma, 0.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = y_pred if self.from_logits else logp.log_softmax(y_pred, from_logits=False)
        log_share = log_shares(self, y_pred)
        adjusted = ops.exp(self.gamma * log_share) * logits + self.tau * log_share
        return cross_entropy(y_true, ops.log_softmax(adjusted, axis=-1))


class LDAM(Loss):
    """Softmax over cosines with a margin that is wider for rarer classes.

        loss = -log softmax(scale z)_y,   z_y = cos_y - margin (n_min / n_y)^(1/4),   z_j = cos_j

    Rebalanced late ("DRW"): set `beta` to 0.9999 for the last part of the training; classes are
    then weighted by their effective number, of mean 1.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C), as from
        `lossforge.heads.CosineHead`.
    Returns: (batch,).
    Source: Cao et al. 2019, Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss,
        equations 11 to 13; the scale is the authors' code's.

    >>> round(float(LDAM((16, 1), margin=0.4, scale=1.0)([0], [[0.2, 0.0]])), 4)  # log 2
    0.6931

    Args:
        class_counts: examples of each class in the training set, > 0.
        margin: of the rarest class, in [0, 1]; the paper's 0.5.
        scale: > 0; the authors' 30.
        beta: of the effective number, in [0, 1); 0: classes weigh alike.

    Raises:
        ValueError: for counts that are not positive, or numbers out of range.
    """

    kinds = ("cosine_logits",)
    source = "Cao et al. 2019, Label-Distribution-Aware Margin Loss"
    minimum = None
    search = {"margin": Float(0.1, 0.8), "scale": Float(8.0, 64.0, log=True)}
    variants = (
        {"class_counts": COUNTS},
        {"class_counts": COUNTS, "margin": 0.2, "scale": 10.0, "beta": 0.99},
    )

    def __init__(
        self,
        class_counts: Sequence[float],
        margin: float = 0.5,
        scale: float = 30.0,
        beta: float = 0.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.class_counts = check_counts("LDAM", class_counts)
        self.margin = check_range("LDAM", "margin", margin, 0.0, 1.0)
        self.scale = check_range("LDAM", "scale", scale, 1e-6)
        self.beta = check_range("LDAM", "beta", beta, 0.0, 1.0 - 1e-12)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_n = class_constants(self, np.log(self.class_counts), y_pred)
        margins = self.margin * ops.exp(0.25 * (ops.min(log_n) - log_n))
        targets = logp.one_hot_targets(y_true, y_pred)
        cosines = ops.clip(y_pred, -1.0, 1.0)
        log_p = ops.log_softmax(self.scale * (cosines - margins * targets), axis=-1)
        weights = class_constants(self, effective_weights(self.class_counts, self.beta), y_pred)
        return -ops.sum(weights * targets * log_p, axis=-1)


class ClassBalanced(Loss):
    """Cross-entropy or focal loss weighted by one over the effective number of each class.

        w_c  = (1 - beta) / (1 - beta^n_c), scaled to a mean of 1 over the classes
        softmax   loss = -w_y (1 - p_y)^gamma log p_y
        sigmoid   loss = -w_y sum_c [y_c (1 - p_c)^gamma log p_c
                                     + (1 - y_c) p_c^gamma log(1 - p_c)]

    beta = 0 weighs classes alike, beta -> 1 by one over their count.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C), by whose weights w is the mean.
    Returns: (batch, ...).
    Edges: beta^n is computed as expm1(n log beta): no rounding for beta near 1.
    Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, equations 7
        to 11.

    >>> loss = ClassBalanced(class_counts=(9, 1), beta=0.0)
    >>> round(float(loss([1], [[0.5, 0.5]])), 4)
    0.6931

    Args:
        class_counts: examples of each class in the training set, > 0.
        beta: in [0, 1); the paper's 0.9 to 0.9999.
        gamma: how fast easy examples fade, >= 0; 0 is cross-entropy.
        activation: "softmax", or "sigmoid" for one-vs-rest outputs.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for counts that are not positive, an activation that does not exist, or numbers
            out of range.
    """

    kinds = ("multiclass",)
    source = "Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples"
    search = {"beta": Choice((0.9, 0.99, 0.999, 0.9999)), "gamma": Float(0.0, 3.0)}
    variants = (
        {"class_counts": COUNTS},
        {"class_counts": COUNTS, "from_logits": True},
        {"class_counts": COUNTS, "from_logits": True, "beta": 0.9, "gamma": 2.0},
        {"class_counts": COUNTS, "from_logits": True, "gamma": 0.5, "activation": "sigmoid"},
        {"class_counts": COUNTS, "activation": "sigmoid"},
    )

    def __init__(
        self,
        class_counts: Sequence[float],
        beta: float = 0.9999,
        gamma: float = 0.0,
        activation: str = "softmax",
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.class_counts = check_counts("ClassBalanced", class_counts)
        self.beta = check_range("ClassBalanced", "beta", beta, 0.0, 1.0 - 1e-12)
        self.gamma = check_range("ClassBalanced", "gamma", gamma, 0.0)
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(
                f"ClassBalanced: activation must be 'softmax' or 'sigmoid', got {activation!r}."
            )
        self.activation = activation
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        weights = class_constants(self, effective_weights(self.class_counts, self.beta), y_pred)
        targets = logp.one_hot_targets(y_true, y_pred)
        if self.activation == "softmax":
            log_p = logp.log_softmax(y_pred, self.from_logits)
            values = self._faded(log_p, logp.log_complement(log_p))
            return ops.sum(weights * targets * values, axis=-1)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        values = targets * self._faded(log_p, log_q)
        values = values + (1.0 - targets) * self._faded(log_q, log_p)
        return ops.sum(weights * targets, axis=-1) * ops.sum(values, axis=-1)

    def _faded(self, log_p: Any, log_q: Any) -> Any:
        """-(1 - p)^gamma log p."""
        return -ops.exp(self.gamma * log_q) * log_p


class Seesaw(Loss):
    """Cross-entropy whose pressure on rare classes is relieved, unless they are wrong right now.

        loss = -log e^z_y / (e^z_y + sum_{j != y} S_yj e^z_j),   S_yj = M_yj C_yj
        M_yj = min(1, (n_j / n_y)^p)      mitigation: frequent classes push rare ones less
        C_yj = max(1, (p_j / p_y)^q)      compensation: but in full where j outscores y

    C is constant in the gradient, as in the authors' code. The counts are those of the training
    set. The paper counts labels while training, which ends at the same shares: `RunningSeesaw`.

    Reads: y_pred: (batch, ..., C) logits with `from_logits=True`; probabilities are taken as their
        softmax, z = log p. y_true: class ids (batch, ...) or one-hot (batch, ..., C).
    Returns: (batch, ...).
    Edges: p_y counts as at least `epsilon` in C; p = q = 0 is cross-entropy.
    Source: Wang et al. 2021, Seesaw Loss for Long-Tailed Instance Segmentation, equations 4 to 7.

    >>> loss = Seesaw(class_counts=(9, 1), p=0.0, q=0.0, from_logits=True)
    >>> round(float(loss([1], [[0.0, 0.0]])), 4)
    0.6931

    Args:
        class_counts: examples of each class in the training set, > 0.
        p: strength of mitigation, >= 0; the paper's 0.8.
        q: strength of compensation, >= 0; the paper's 2.
        epsilon: > 0; the authors' 0.01.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for counts that are not positive, or numbers out of range.
    """

    kinds = ("multiclass",)
    source = "Wang et al. 2021, Seesaw Loss for Long-Tailed Instance Segmentation"
    detached = True
    search = {"p": Float(0.0, 1.5), "q": Float(0.0, 4.0)}
    variants = (
        {"class_counts": COUNTS},
        {"class_counts": COUNTS, "from_logits": True},
        {"class_counts": COUNTS, "from_logits": True, "p": 0.0, "epsilon": 0.1},
        {"class_counts": COUNTS, "from_logits": True, "p": 1.2, "q": 0.5},
    )

    def __init__(
        self,
        class_counts: Sequence[float],
        p: float = 0.8,
        q: float = 2.0,
        epsilon: float = 0.01,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.class_counts = check_counts("Seesaw", class_counts)
        self.p = check_range("Seesaw", "p", p, 0.0)
        self.q = check_range("Seesaw", "q", q, 0.0)
        self.epsilon = check_range("Seesaw", "epsilon", epsilon, 1e-6, 1.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        log_n = class_constants(self, np.log(self.class_counts), y_pred)
        targets = logp.one_hot_targets(y_true, y_pred)
        return seesaw(log_p, log_n, targets, self.p, self.q, self.epsilon)


class RunningSeesaw(Loss):
    """Seesaw whose counts are those of the labels seen so far.

        loss as in `Seesaw`, with n_c from `lossforge.heads.RunningClassCounts`

    The counts are a state of that layer, which the model saves and restores; the loss is pure.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, 2, C), logits, then
        counts, as from `RunningClassCounts`.
    Returns: (batch,).
    Edges: a class that was not seen counts as seen once.
    Source: Wang et al. 2021, Seesaw Loss for Long-Tailed Instance Segmentation, equations 4 to 7.

    >>> loss = RunningSeesaw(p=0.0, q=0.0)
    >>> round(float(loss([1], [[[0.0, 0.0], [9.0, 1.0]]])), 4)  # log 2
    0.6931

    Args:
        p: strength of mitigation, >= 0; the paper's 0.8.
        q: strength of compensation, >= 0; the paper's 2.
        epsilon: > 0; the authors' 0.01.

    Raises:
        ValueError: for numbers out of range, or predictions without counts.
    """

    kinds = ("logits_and_counts",)
    source = "Wang et al. 2021, Seesaw Loss for Long-Tailed Instance Segmentation"
    detached = True
    search = {"p": Float(0.0, 1.5), "q": Float(0.0, 4.0)}
    variants = ({}, {"p": 1.2, "q": 0.5, "epsilon": 0.1})

    def __init__(self, p: float = 0.8, q: float = 2.0, epsilon: float = 0.01, **base: Any) -> None:
        super().__init__(**base)
        self.p = check_range("RunningSeesaw", "p", p, 0.0)
        self.q = check_range("RunningSeesaw", "q", q, 0.0)
        self.epsilon = check_range("RunningSeesaw", "epsilon", epsilon, 1e-6, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits, counts = logp.split_pair("RunningSeesaw", "counts", "RunningClassCounts", y_pred)
        log_p, log_n = ops.log_softmax(logits, axis=-1), ops.log(ops.maximum(counts, 1.0))
        targets = logp.one_hot_targets(y_true, logits)
        return seesaw(log_p, log_n, targets, self.p, self.q, self.epsilon)


def seesaw(log_p: Any, log_n: Any, targets: Any, p: float, q: float, epsilon: float) -> Any:
    """The seesaw cross-entropy, from log p and log counts of the classes."""
    own_n = ops.sum(targets * log_n, axis=-1, keepdims=True)
    own_p = ops.stop_gradient(ops.sum(targets * log_p, axis=-1, keepdims=True))
    own_p = ops.maximum(own_p, float(np.log(epsilon)))
    mitigation = p * ops.minimum(log_n - own_n, 0.0)
    compensation = q * ops.maximum(ops.stop_gradient(log_p) - own_p, 0.0)
    scale = (1.0 - targets) * (mitigation + compensation)
    return -ops.sum(targets * ops.log_softmax(log_p + scale, axis=-1), axis=-1)


def effective_weights(class_counts: Sequence[float], beta: float) -> np.ndarray:
    """(1 - beta) / (1 - beta^n) of each class, scaled to a mean of 1.

    >>> effective_weights((3, 1), 0.0), effective_weights((3, 1), 0.999999).round(3)
    (array([1., 1.]), array([0.5, 1.5]))
    """
    counts = np.asarray(class_counts, dtype="float64")
    weights = 1.0 / -np.expm1(counts * np.log(beta)) if beta > 0 else np.ones_like(counts)
    return weights / weights.mean()


def check_counts(loss: str, class_counts: Sequence[float]) -> tuple[float, ...]:
    counts = tuple(float(n) for n in class_counts)
    if not counts or not all(0 < n < float("inf") for n in counts):
        raise ValueError(
            f"{loss}: class_counts must be positive numbers, one a class, got {counts}. "
            "Count a class without examples as 1."
        )
    return counts


def class_constants(loss: Loss, numbers: np.ndarray, y_pred: Any) -> Any:
    """A tensor of one number a class, if there are as many as the predictions have classes."""
    if len(numbers) != y_pred.shape[-1]:
        raise ValueError(
            f"{type(loss).__name__}: class_counts has {len(numbers)} numbers, "
            f"but the predictions have {y_pred.shape[-1]} classes."
        )
    return ops.convert_to_tensor(numbers, dtype=y_pred.dtype)


def log_shares(loss: Any, y_pred: Any) -> Any:
    """log(n_c / n_max)."""
    counts = np.asarray(loss.class_counts)
    return class_constants(loss, np.log(counts / counts.max()), y_pred)


def cross_entropy(y_true: Any, log_p: Any) -> Any:
    if logp.is_class_ids(y_true, log_p):
        return -of_label(y_true, log_p)
    return -ops.sum(ops.cast(y_true, log_p.dtype) * log_p, axis=-1)
