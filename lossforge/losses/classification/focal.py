"""Focal loss: easy examples fade, hard ones stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class Focal(Loss):
    """Cross-entropy whose easy examples fade, for rare classes among many easy negatives.

        multiclass            loss = -sum_c alpha_c y_c (1 - p_c)^gamma log p_c
        binary, multilabel    loss = -mean_c [alpha_c y_c (1 - p_c)^gamma log p_c
                                              + (1 - alpha_c) (1 - y_c) p_c^gamma log(1 - p_c)]

    All in log space: no cap at 16.1, a gradient for every wrong logit, any gamma >= 0.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; C = 1 is
        binary. y_true: class ids (batch, ...), or one-hot, soft or multi-hot (batch, ..., C).
    Returns: (batch, ...).
    Edges: gamma = 0 and no alpha is cross-entropy. Soft labels weigh the two parts, as in optax.
    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equations 4 and 5.

    >>> float(Focal(gamma=2.0)([[1]], [[1.0]]))
    0.0

    Args:
        gamma: how fast easy examples fade, >= 0; the paper's 2.
        alpha: weight in [0, 1] of the positive part against `1 - alpha` of the negative one; one
            number, or one a class. In multiclass it is a plain factor a class. None: no weights.
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
            A model of C independent sigmoids needs `task="multilabel"`.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a task that does not exist, or numbers out of range.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Lin et al. 2017, Focal Loss for Dense Object Detection"
    search = {"gamma": Float(0.0, 4.0), "alpha": Choice((None, 0.25, 0.5, 0.75))}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "gamma": 0.5},
        {"from_logits": True, "gamma": 0.0},
        {"from_logits": True, "alpha": 0.25},
    )

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | Sequence[float] | None = None,
        task: str | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.gamma = check_range("Focal", "gamma", gamma, 0.0)
        numbers = () if alpha is None else (alpha,) if isinstance(alpha, int | float) else alpha
        for number in numbers:
            check_range("Focal", "alpha", number, 0.0, 1.0)
        self.alpha = alpha
        self.task = logp.check_task("Focal", task)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            return self._exclusive(y_true, y_pred)
        return self._independent(y_true, y_pred)

    def _exclusive(self, y_true: Any, y_pred: Any) -> Any:
        if logp.is_class_ids(y_true, y_pred):
            ids = logp.class_ids(y_true, y_pred)
            log_pt = logp.log_probability_of(ids, y_pred, self.from_logits)
            alpha = 1.0 if self.alpha is None else self._alpha(y_pred)
            alpha = ops.take(alpha, ids) if isinstance(self.alpha, list | tuple) else alpha
            return alpha * self._faded(log_pt, logp.log_complement(log_pt))
        log_p = logp.log_softmax(y_pred, self.from_logits)
        targets = logp.one_hot_targets(y_true, y_pred)
        alpha = 1.0 if self.alpha is None else self._alpha(log_p)
        values = self._faded(log_p, logp.log_complement(log_p))
        return ops.sum(alpha * targets * values, axis=-1)

    def _independent(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        positive, negative = 1.0, 1.0
        if self.alpha is not None:
            positive = self._alpha(log_p)
            negative = 1.0 - positive
        values = positive * targets * self._faded(log_p, log_q)
        values = values + negative * (1.0 - targets) * self._faded(log_q, log_p)
        return mean_over_last_axis(values)

    def _faded(self, log_p: Any, log_q: Any) -> Any:
        """-(1 - p)^gamma log p, from log p and log(1 - p)."""
        return -ops.exp(self.gamma * log_q) * log_p

    def _alpha(self, like: Any) -> Any:
        if isinstance(self.alpha, list | tuple) and len(self.alpha) != like.shape[-1]:
            raise ValueError(
                f"Focal: alpha has {len(self.alpha)} numbers, "
                f"but the predictions have {like.shape[-1]} classes."
            )
        return ops.convert_to_tensor(self.alpha, dtype=like.dtype)
