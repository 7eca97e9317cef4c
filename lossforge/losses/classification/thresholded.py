"""Binary cross-entropy of soft labels that are made hard again."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class ThresholdedCrossEntropy(Loss):
    """One-vs-rest cross-entropy in which every label above a threshold counts as present.

        loss = -sum_c [t_c log p_c + (1 - t_c) log(1 - p_c)],   t = 1 where y > threshold, else 0

    Mixed images then hold both classes in full, as in the training recipes of ResNet.

    Reads: y_true: class ids (batch, ...), one-hot, soft or multi-hot (batch, ..., C); y_pred:
        (batch, ..., C) probabilities, or logits with `from_logits=True`, of independent outputs.
    Returns: (batch, ...), the mean over classes, or their sum with `sum_classes=True`.
    Source: Wightman et al. 2021, ResNet Strikes Back: An Improved Training Procedure in timm.

    >>> round(float(ThresholdedCrossEntropy()([[0.3, 0.7]], [[0.5, 0.5]])), 4)
    0.6931

    Args:
        threshold: in [0, 1); labels above it become 1, all others 0.
        sum_classes: whether to sum over classes, C times the mean.
        from_logits: whether predictions are logits.
    """

    kinds = ("multilabel",)
    source = "Wightman et al. 2021, ResNet Strikes Back"
    search = {"threshold": Float(0.0, 0.5)}
    variants = ({}, {"from_logits": True, "threshold": 0.2}, {"sum_classes": True})

    def __init__(
        self,
        threshold: float = 0.0,
        sum_classes: bool = False,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.threshold = check_range("ThresholdedCrossEntropy", "threshold", threshold, 0.0, 0.999)
        self.sum_classes = bool(sum_classes)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        hard = logp.one_hot_targets(y_true, y_pred) > self.threshold
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        total = -ops.sum(ops.where(hard, log_p, log_q), axis=-1)
        return total if self.sum_classes else total / y_pred.shape[-1]
