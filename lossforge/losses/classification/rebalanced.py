"""Re-weighting for long tails: by classes that occur together, and by influence on the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.classification.long_tail import COUNTS, check_counts, class_constants
from lossforge.ranges import Float


class DistributionBalanced(Loss):
    """Binary cross-entropy a class for long-tailed labels that occur together.

        r_k  = (1 / n_k) / sum_j y_j / n_j                 how often k is seen, against how often
                                                           resampling by class would show it
        w_k  = alpha + sigmoid(beta (r_k - mu))
        v_k  = z_k - kappa log(1 / share_k - 1)            a rare class starts low
        loss = -mean_k w_k [y_k log sigmoid(v_k)
                            + (1 - y_k) log sigmoid(-negative_scale v_k) / negative_scale]

    Negatives, which swamp rare classes, fade quickly once v_k is below 0.

    Reads: y_pred: (batch, ..., C) probabilities, or logits z with `from_logits=True`; y_true:
        (batch, ..., C) in {0, 1}.
    Returns: (batch, ...), the mean over classes.
    Edges: an example without labels has r = 0. The bias is the paper's, not divided by
        `negative_scale` as in the first release of the authors' code.
    Source: Wu et al. 2020, Distribution-Balanced Loss for Multi-Label Classification in Long-Tailed
        Datasets, equations 3 to 9.

    >>> loss = DistributionBalanced(class_shares=(0.5, 0.1))
    >>> bool(loss([[1.0, 0.0]], [[0.9, 0.1]]) < loss([[1.0, 0.0]], [[0.1, 0.9]]))
    True

    Args:
        class_shares: share of examples that have each label, in (0, 1).
        alpha: the least weight, >= 0; the paper's 0.1.
        beta: steepness of the weights, >= 0; the paper's 10.
        mu: the r at which weights rise; the paper's 0.2 (COCO), 0.3 (VOC).
        negative_scale: the paper's lambda, > 0; 2 (COCO), 5 (VOC).
        kappa: strength of the bias, >= 0; the paper's 0.05.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for shares that are not in (0, 1), or numbers out of range.
    """

    kinds = ("multilabel",)
    source = "Wu et al. 2020, Distribution-Balanced Loss for Multi-Label Classification"
    minimum = None
    search = {"mu": Float(0.0, 0.9), "negative_scale": Float(1.0, 5.0), "kappa": Float(0.0, 0.3)}
    _shares = (0.5, 0.3, 0.1, 0.05, 0.01)
    variants = (
        {"class_shares": _shares},
        {"class_shares": _shares, "from_logits": True},
        {"class_shares": _shares, "from_logits": True, "alpha": 0.5, "beta": 3.0, "mu": 0.5},
        {"class_shares": _shares, "from_logits": True, "negative_scale": 5.0, "kappa": 0.2},
    )

    def __init__(
        self,
        class_shares: Sequence[float],
        alpha: float = 0.1,
        beta: float = 10.0,
        mu: float = 0.2,
        negative_scale: float = 2.0,
        kappa: float = 0.05,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.class_shares = tuple(float(s) for s in class_shares)
        if not self.class_shares or not all(0 < s < 1 for s in self.class_shares):
            raise ValueError(
                "DistributionBalanced: class_shares must be numbers in (0, 1), one a class, got "
                f"{self.class_shares}. Count a class without examples as one."
            )
        self.alpha = check_range("DistributionBalanced", "alpha", alpha, 0.0)
        self.beta = check_range("DistributionBalanced", "beta", beta, 0.0)
        self.mu = check_range("DistributionBalanced", "mu", mu, -1e6)
        self.negative_scale = check_range(
            "DistributionBalanced", "negative_scale", negative_scale, 1e-3
        )
        self.kappa = check_range("DistributionBalanced", "kappa", kappa, 0.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        shares = np.asarray(self.class_shares)
        targets = logp.binary_targets(y_true, y_pred)
        inverse = class_constants(self, 1.0 / shares, y_pred)
        seen = ops.sum(targets * inverse, axis=-1, keepdims=True)
        repeated = ops.divide_no_nan(inverse, seen)
        weights = self.alpha + ops.sigmoid(self.beta * (repeated - self.mu))
        bias = class_constants(self, self.kappa * np.log(1.0 / shares - 1.0), y_pred)
        v = self._logits(y_pred) - bias
        positive = ops.softplus(-v)
        negative = ops.softplus(self.negative_scale * v) / self.negative_scale
        return mean_over_last_axis(weights * (targets * positive + (1.0 - targets) * negative))

    def _logits(self, y_pred: Any) -> Any:
        if self.from_logits:
            return y_pred
        log_p, log_q = logp.log_sigmoid(y_pred, from_logits=False)
        return log_p - log_q


class InfluenceBalanced(Loss):
    """Cross-entropy over each example's influence on the decision boundary.

        loss = alpha w_y (-log p_y) / (|p - y|_1 h + epsilon),    w_c = (1 / n_c) / sum_k 1 / n_k
        h: the L1 norm of the features that the last layer reads

    Examples that a boundary bends around, mostly of frequent classes, count less. For the second
    half of a training: the first uses cross-entropy. The gradient is that of the whole formula, as
    in the authors' code: h, too, has one; stop it in the model if that is not wanted.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, C + 1), C logits, then
        h >= 0.
    Returns: (batch,).
    Edges: h below 0 counts as 0.
    Source: Park et al. 2021, Influence-Balanced Loss for Imbalanced Visual Classification, equation
        10.

    >>> loss = InfluenceBalanced(class_counts=(1, 1), alpha=2.0, epsilon=1.0)
    >>> round(float(loss([0], [[0.0, 0.0, 1.0]])), 4)  # log 2 / 2
    0.3466

    Args:
        class_counts: examples of each class in the training set, > 0.
        alpha: > 0; the paper's 1000.
        epsilon: > 0; the authors' 0.001.

    Raises:
        ValueError: for counts that are not positive, or numbers out of range.
    """

    kinds = ("logits_and_norm",)
    source = "Park et al. 2021, Influence-Balanced Loss for Imbalanced Visual Classification"
    variants = (
        {"class_counts": COUNTS},
        {"class_counts": COUNTS, "alpha": 1.0, "epsilon": 0.1},
    )

    def __init__(
        self,
        class_counts: Sequence[float],
        alpha: float = 1000.0,
        epsilon: float = 1e-3,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.class_counts = check_counts("InfluenceBalanced", class_counts)
        self.alpha = check_range("InfluenceBalanced", "alpha", alpha, 1e-9)
        self.epsilon = check_range("InfluenceBalanced", "epsilon", epsilon, 1e-9)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits, norm = y_pred[..., :-1], ops.relu(y_pred[..., -1])
        log_p = ops.log_softmax(logits, axis=-1)
        targets = logp.one_hot_targets(y_true, logits)
        inverse = 1.0 / np.asarray(self.class_counts)
        weights = class_constants(self, self.alpha * inverse / inverse.sum(), logits)
        influence = ops.sum(ops.abs(ops.exp(log_p) - targets), axis=-1) * norm + self.epsilon
        return -ops.sum(weights * targets * log_p, axis=-1) / influence
