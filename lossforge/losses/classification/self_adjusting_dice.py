"""Dice of single examples, for labels as rare as in text tagging."""

from __future__ import annotations

from typing import Any, ClassVar

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class SelfAdjustingDice(Loss):
    """One minus the Dice overlap of label and prediction of one example, easy ones faded.

        q = (1 - p)^alpha p
        loss = 1 - (2 q y + smooth) / (q + y + smooth)                mean over classes

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; C = 1 is
        binary. y_true: class ids (batch, ...), or one-hot or multi-hot (batch, ..., C).
    Returns: (batch, ...), in [0, 1].
    Edges: alpha > 0 fades an example before it is certain: the optimum of a positive is
        p = 1 / (1 + alpha), not 1; alpha = 0 is plain Dice.
    Source: Li et al. 2020, Dice Loss for Data-imbalanced NLP Tasks, equation 11.

    >>> float(SelfAdjustingDice(alpha=0.0)([[1.0]], [[1.0]]))
    0.0

    Args:
        alpha: how fast easy examples fade, >= 0; the paper's 1.
        smooth: > 0; the paper's 1.
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Li et al. 2020, Dice Loss for Data-imbalanced NLP Tasks"
    minimum = None
    label_smoothing: ClassVar[str] = "like smoothed labels: the optimum is p = 1 / (1 + alpha)"
    search = {"alpha": Float(0.0, 2.0), "smooth": Float(0.01, 2.0, log=True)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "alpha": 0.0},
        {"from_logits": True, "alpha": 0.5, "smooth": 0.1},
    )

    def __init__(
        self,
        alpha: float = 1.0,
        smooth: float = 1.0,
        task: str | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("SelfAdjustingDice", "alpha", alpha, 0.0)
        self.smooth = check_range("SelfAdjustingDice", "smooth", smooth, 1e-6)
        self.task = logp.check_task("SelfAdjustingDice", task)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            targets = logp.one_hot_targets(y_true, y_pred)
            log_p = logp.log_softmax(y_pred, self.from_logits)
            log_q = logp.log_complement(log_p)
        else:
            targets = logp.binary_targets(y_true, y_pred)
            log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        faded = ops.exp(self.alpha * log_q + log_p)
        overlap = 2.0 * faded * targets + self.smooth
        return mean_over_last_axis(1.0 - overlap / (faded + targets + self.smooth))
