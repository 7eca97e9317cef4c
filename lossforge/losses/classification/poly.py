"""Cross-entropy and focal loss with one more coefficient of their power series."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class Poly1(Loss):
    """Cross-entropy or focal loss whose first polynomial coefficient is free.

    -log p is the series sum_j (1 - p)^j / j; here the coefficient of j = 1 becomes 1 + epsilon.

        multiclass            loss = -(1 - p_t)^gamma log p_t + epsilon (1 - p_t)^(gamma + 1)
        binary, multilabel    the mean over classes, p_t = p where y = 1, else 1 - p

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; C = 1 is
        binary. y_true: class ids (batch, ...), or one-hot, soft or multi-hot (batch, ..., C).
    Returns: (batch, ...).
    Edges: epsilon = 0 is the focal loss, and cross-entropy for gamma = 0; soft labels weigh the
        terms. Below -1 the loss falls away from easy examples, so -1 is the least.
    Source: Leng et al. 2022, PolyLoss: A Polynomial Expansion Perspective of Classification Loss
        Functions, equations 4 and 7.

    >>> round(float(Poly1(epsilon=2.0)([0], [[0.5, 0.5]])), 4)
    1.6931

    Args:
        epsilon: added to the first coefficient, >= -1; worth tuning (the paper: 2 on ImageNet).
        gamma: how fast easy examples fade, >= 0.
        alpha: weight in [0, 1] of the positive part of the focal term against `1 - alpha` of the
            negative one (binary, multilabel). None: no weights.
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Leng et al. 2022, PolyLoss"
    search = {"epsilon": Float(-1.0, 6.0), "gamma": Float(0.0, 3.0)}
    variants = (
        {},
        {"from_logits": True, "epsilon": 2.0},
        {"from_logits": True, "epsilon": -0.9},
        {"from_logits": True, "gamma": 2.0, "alpha": 0.25},
        {"from_logits": True, "gamma": 0.5},
    )

    def __init__(
        self,
        epsilon: float = 1.0,
        gamma: float = 0.0,
        alpha: float | None = None,
        task: str | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.epsilon = check_range("Poly1", "epsilon", epsilon, -1.0)
        self.gamma = check_range("Poly1", "gamma", gamma, 0.0)
        self.alpha = None if alpha is None else check_range("Poly1", "alpha", alpha, 0.0, 1.0)
        self.task = logp.check_task("Poly1", task)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            log_p = logp.log_softmax(y_pred, self.from_logits)
            values = self._poly(log_p, logp.log_complement(log_p), 1.0)
            return ops.sum(logp.one_hot_targets(y_true, y_pred) * values, axis=-1)
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        a, b = (1.0, 1.0) if self.alpha is None else (self.alpha, 1.0 - self.alpha)
        values = targets * self._poly(log_p, log_q, a)
        return mean_over_last_axis(values + (1.0 - targets) * self._poly(log_q, log_p, b))

    def _poly(self, log_p: Any, log_q: Any, weight: float) -> Any:
        """From log p and log(1 - p); the paper weighs the focal term alone."""
        faded = ops.exp(self.gamma * log_q)
        return -weight * faded * log_p + self.epsilon * ops.exp((self.gamma + 1.0) * log_q)
