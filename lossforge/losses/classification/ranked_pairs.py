"""The area under the ROC curve as a loss: positives are to score above negatives."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class MannWhitney(Loss):
    """Every negative that does not stay a margin below a positive costs the shortfall.

        loss_i = mean over negatives j of max(0, margin - p_i + p_j)^power       for a positive i
                 mean over positives j of max(0, margin - p_j + p_i)^power       for a negative i

    so that the batch's mean is the mean over all pairs. Roc-star compares a batch with a history of
    scores by the same formula with power 2; here all pairs are within the batch.

    Reads: y_true: (batch, C) in {0, 1}, above 0.5 is positive; y_pred: (batch, C) probabilities, or
        logits with `from_logits=True`.
    Returns: (batch,), the mean over the C outputs, each ranked by itself; a loss over the whole
        batch.
    Edges: an output without positives or without negatives costs 0.
    Source: Yan et al. 2003, Optimizing Classifier Performance via an Approximation to the
        Wilcoxon-Mann-Whitney Statistic, equation 7.

    >>> float(MannWhitney(margin=0.5, power=1.0)([[1.0], [0.0]], [[0.75], [0.75]]))
    0.5

    Args:
        margin: in (0, 1]; the paper's 0.1 to 0.7.
        power: in [1, 4]; the paper's 2 or 3.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("binary", "multilabel")
    source = "Yan et al. 2003, Optimizing Classifier Performance via the Wilcoxon Statistic"
    batch_coupled = True
    memory = "O(B^2)"
    search = {"margin": Float(0.1, 1.0), "power": Choice((1.0, 2.0, 3.0))}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "margin": 0.7, "power": 1.0},
        {"margin": 1.0, "power": 3.0},
    )

    def __init__(
        self,
        margin: float = 0.3,
        power: float = 2.0,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("MannWhitney", "margin", margin, 1e-6, 1.0)
        self.power = check_range("MannWhitney", "power", power, 1.0, 4.0)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        p, positive, negative = scored(y_true, y_pred, counts, self.from_logits)
        pairs = positive[:, None] * negative[None]  # (positive, negative, C)
        short = ops.relu(self.margin - p[:, None] + p[None])
        penalty = pairs * short**self.power
        above = ops.divide_no_nan(ops.sum(penalty, axis=1), ops.sum(pairs, axis=1))
        below = ops.divide_no_nan(ops.sum(penalty, axis=0), ops.sum(pairs, axis=0))
        return mean_over_last_axis(above + below)


class AUCM(Loss):
    """The area under the ROC curve by squares, without pairs; easy examples do not pull.

        loss = (1 - s) E[y (p - a)^2] + s E[(1 - y) (p - b)^2] + s (1 - s) max(0, margin + b - a)^2
        a, b: mean score of positives and of negatives;  s: share of positives

    The paper's min-max problem has a, b and a dual variable that ascends, and needs an optimizer of
    its own (PESG). All three have a closed form, used here for the batch: any optimizer does.

    Reads: y_true: (batch, C) in {0, 1}, above 0.5 is positive; y_pred: (batch, C) probabilities, or
        logits with `from_logits=True`.
    Returns: (batch,), the mean over the C outputs; a loss over the whole batch.
    Edges: an output without positives or without negatives costs 0. Batches need both.
    Source: Yuan et al. 2021, Large-scale Robust Deep AUC Maximization, equation 3 and theorem 1.

    >>> float(AUCM()([[1.0], [0.0]], [[1.0], [0.0]]))
    0.0

    Args:
        margin: wanted distance of the means, in (0, 1]; the paper's 1.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a margin out of range.
    """

    kinds = ("binary", "multilabel")
    source = "Yuan et al. 2021, Large-scale Robust Deep AUC Maximization"
    batch_coupled = True
    search = {"margin": Float(0.2, 1.0)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "margin": 0.4})

    def __init__(self, margin: float = 1.0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("AUCM", "margin", margin, 1e-6, 1.0)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        p, positive, negative = scored(y_true, y_pred, counts, self.from_logits)
        positives, negatives = ops.sum(positive, axis=0), ops.sum(negative, axis=0)
        share = ops.divide_no_nan(positives, positives + negatives)
        a = ops.divide_no_nan(ops.sum(positive * p, axis=0), positives)
        b = ops.divide_no_nan(ops.sum(negative * p, axis=0), negatives)
        spread = (1.0 - share) * positive * ops.square(p - a)
        spread = spread + share * negative * ops.square(p - b)
        gap = share * (1.0 - share) * ops.square(ops.relu(self.margin + b - a))
        return mean_over_last_axis(spread + gap)


def scored(y_true: Any, y_pred: Any, counts: Any, from_logits: bool) -> tuple[Any, Any, Any]:
    """Probabilities, and 1 for positives and for negatives that count, all (batch, C)."""
    if len(y_pred.shape) != 2:
        raise ValueError(
            f"Losses of ranked scores read (batch, C), got predictions of {tuple(y_pred.shape)}."
        )
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    valid = ops.cast(ops.broadcast_to(align(counts, p), ops.shape(p)), p.dtype)
    positive = ops.cast(logp.binary_targets(y_true, y_pred) > 0.5, p.dtype)
    return p, valid * positive, valid * (1.0 - positive)
