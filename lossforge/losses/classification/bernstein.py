"""Cross-entropy whose pull on an example is a curve of the probability of its label."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class BernsteinCrossEntropy(Loss):
    """Cross-entropy with the gradient of each example times a cubic curve of its probability.

        g(p) = c0 (1 - p)^3 + 3 c1 p (1 - p)^2 + 3 c2 p^2 (1 - p) + c3 p^3
        loss = integral of g(t) / t from p_t to 1,   so that d loss / d log p_t = -g(p_t)

        multiclass            p_t is the probability of the label
        binary, multilabel    the mean over classes, p_t = p where y = 1, else 1 - p

    The coefficients are what an example counts at p = 0, about 1/3, about 2/3 and 1. As none is
    negative, the loss falls wherever p_t rises, whatever they are: any draw of a search is a sound
    loss. (1, 1, 1, 1) is cross-entropy, (0, 1/3, 2/3, 1) is absolute error, which forgives wrong
    labels, and (1, 0, 0, 0) fades easy examples like the focal loss.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; C = 1 is
        binary. y_true: class ids (batch, ...), or one-hot, soft or multi-hot (batch, ..., C).
    Returns: (batch, ...), 0 at p_t = 1.
    Edges: with c0 = 0 an example of p_t near 0 has nearly no gradient, and is given up.
    Source: Bernstein 1912, Demonstration du theoreme de Weierstrass (the basis); Wang et al. 2019,
        Derivative Manipulation for General Example Weighting (a loss by its gradient).

    >>> round(float(BernsteinCrossEntropy(c0=0.0, c1=1 / 3, c2=2 / 3)([0], [[0.25, 0.75]])), 4)
    0.75

    Args:
        c0: weight of the gradient at p_t = 0, >= 0.
        c1: the next coefficient, >= 0.
        c2: the next, >= 0.
        c3: weight at p_t = 1, >= 0.
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a negative coefficient, or when all are 0.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Wang et al. 2019, Derivative Manipulation for General Example Weighting"
    # c1 stays 1: four free coefficients would only scale each other, and the learning rate.
    search = {"c0": Float(0.0, 2.0), "c2": Float(0.0, 2.0), "c3": Float(0.0, 2.0)}
    variants = (
        {},
        {"from_logits": True, "c0": 0.5, "c1": 0.8, "c3": 1.5},
        {"from_logits": True, "c1": 0.3, "c2": 0.1, "c3": 0.0},
    )

    def __init__(
        self,
        c0: float = 1.0,
        c1: float = 1.0,
        c2: float = 1.0,
        c3: float = 1.0,
        task: str | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.c0 = check_range("BernsteinCrossEntropy", "c0", c0, 0.0)
        self.c1 = check_range("BernsteinCrossEntropy", "c1", c1, 0.0)
        self.c2 = check_range("BernsteinCrossEntropy", "c2", c2, 0.0)
        self.c3 = check_range("BernsteinCrossEntropy", "c3", c3, 0.0)
        if not any((c0, c1, c2, c3)):
            raise ValueError("BernsteinCrossEntropy: one coefficient at least must be above 0.")
        self.task = logp.check_task("BernsteinCrossEntropy", task)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            log_p = logp.log_softmax(y_pred, self.from_logits)
            return ops.sum(logp.one_hot_targets(y_true, y_pred) * self._of(log_p), axis=-1)
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        return mean_over_last_axis(targets * self._of(log_p) + (1.0 - targets) * self._of(log_q))

    def _of(self, log_p: Any) -> Any:
        """With g(p) = sum_k a_k p^k: the integral is -a_0 log p + sum_k a_k (1 - p^k) / k."""
        c0, c1, c2, c3 = self.c0, self.c1, self.c2, self.c3
        a1, a2, a3 = 3 * (c1 - c0), 3 * (c2 - 2 * c1 + c0), c3 - 3 * c2 + 3 * c1 - c0
        first, second, third = (-ops.expm1(k * log_p) / k for k in (1.0, 2.0, 3.0))
        return -c0 * log_p + a1 * first + a2 * second + a3 * third
