"""Early-learning regularisation: holds predictions at what was learned before noise was."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float

FLOOR = 1e-4


class ELR(Loss):
    """Cross-entropy plus a pull towards the running mean of the example's own predictions.

        loss = -log p_y + weight log(1 - <p, t>)

    A network fits right labels first. t, the mean of an example's predictions so far, then keeps it
    there: the pull cancels the slope of wrong labels that come later. t is the state of
    `lossforge.heads.running_targets.RunningTargets`, a layer that the model trains and saves; the
    loss is pure. t has no gradient.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, 2, C), logits, then t,
        as from `RunningTargets`.
    Returns: (batch,); below 0 for sure predictions that agree with t.
    Edges: t = 0 is cross-entropy. <p, t> counts as 0.9999 of itself, so that the logarithm ends at
        log(1e-4); the authors' code clips p at the same number.
    Source: Liu et al. 2020, Early-Learning Regularization Prevents Memorization of Noisy Labels,
        equation 6.

    >>> round(float(ELR(weight=1.0)([0], [[[0.0, 0.0], [0.0, 0.0]]])), 4)  # log 2
    0.6931

    Args:
        weight: of the pull, >= 0; the paper's lambda, 3 (CIFAR-10) or 7 (CIFAR-100).

    Raises:
        ValueError: for a negative weight.
    """

    kinds = ("logits_and_target",)
    source = "Liu et al. 2020, Early-Learning Regularization Prevents Memorization of Noisy Labels"
    minimum = None
    detached = True
    search = {"weight": Float(0.5, 10.0, log=True)}
    variants = ({}, {"weight": 0.5})

    def __init__(self, weight: float = 3.0, **base: Any) -> None:
        super().__init__(**base)
        self.weight = check_range("ELR", "weight", weight, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits, target = logp.split_pair("ELR", "running targets", "RunningTargets", y_pred)
        log_p, target = ops.log_softmax(logits, axis=-1), ops.clip(target, 0.0, 1.0)
        agreement = ops.minimum(ops.sum(ops.exp(log_p) * target, axis=-1), 1.0)
        labels = logp.one_hot_targets(y_true, log_p)
        pull = ops.log1p(-(1.0 - FLOOR) * agreement)
        return self.weight * pull - ops.sum(labels * log_p, axis=-1)
