"""Losses that compare the positive classes of an example with its negative ones."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float

NOTHING = -1e30


class ZLPR(Loss):
    """Every positive logit above zero, every negative one below: a threshold comes with it.

        loss = log(1 + sum_neg exp(x_n)) + log(1 + sum_pos exp(-x_p))

    Reads: y_true: (batch, ..., C) in {0, 1}, any number of ones; y_pred: (batch, ..., C) logits,
        or probabilities p with `from_logits=False`, read as log(p / (1 - p)).
    Returns: (batch, ...).
    Edges: no positive or no negative class leaves the other sum. Soft labels count from 0.5 on.
    Source: Su et al. 2022, ZLPR: A Novel Loss for Multi-label Classification.

    >>> round(float(ZLPR(from_logits=True)([[1.0, 0.0]], [[0.0, 0.0]])), 4)
    1.3863

    Args:
        from_logits: whether predictions are logits.
    """

    kinds = ("multilabel",)
    source = "Su et al. 2022, ZLPR"
    minimum = None
    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        positive, x = positive_logits(y_true, y_pred, self.from_logits)
        above = ops.softplus(log_sum_exp(x, ops.logical_not(positive)))
        return above + ops.softplus(log_sum_exp(-x, positive))


class MultiPositive(Loss):
    """Every positive logit above every negative one, by the smoothest of pairwise rankings.

        loss = log(1 + sum_pos sum_neg exp((x_n - x_p) / temperature))

    In O(C), not O(C^2): the double sum is a product. Also known as LSEP and, with features as
    logits, as the multi-positive cross-entropy of trackers.

    Reads: y_true: (batch, ..., C) in {0, 1}; y_pred: (batch, ..., C) logits, or probabilities p
        with `from_logits=False`, read as log(p / (1 - p)).
    Returns: (batch, ...); 0 without a positive or without a negative class.
    Source: Li et al. 2017, Improving Pairwise Ranking for Multi-label Image Classification;
        temperature 1 as there.

    >>> round(float(MultiPositive(from_logits=True)([[1.0, 0.0]], [[0.0, 0.0]])), 4)
    0.6931

    Args:
        temperature: > 0; small ones look at the worst pair only.
        from_logits: whether predictions are logits.
    """

    kinds = ("multilabel",)
    source = "Li et al. 2017, Improving Pairwise Ranking for Multi-label Image Classification"
    minimum = None
    search = {"temperature": Float(0.1, 10.0, log=True)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "temperature": 0.5})

    def __init__(self, temperature: float = 1.0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.temperature = check_range("MultiPositive", "temperature", temperature, 1e-3)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        positive, x = positive_logits(y_true, y_pred, self.from_logits)
        x = x / self.temperature
        highest = log_sum_exp(x, ops.logical_not(positive))
        return ops.softplus(highest + log_sum_exp(-x, positive))


class TwoWay(Loss):
    """Positives above negatives along both ways: within each example and within each class.

        pair(x) = softplus(Tp log sum_pos exp(-x / Tp) + Tn log sum_neg exp(x / Tn))
        loss = mean over examples of pair(row) + mean over classes of pair(column)

    over the rows and the columns that hold a positive. The value of an example is its row's part
    and its share of each of its classes' parts, scaled so that the mean over all is the loss.

    Reads: y_true: (batch, C) in {0, 1}; y_pred: (batch, C) logits, or probabilities p with
        `from_logits=False`, read as log(p / (1 - p)); a loss over the whole batch.
    Returns: (batch,); an example without labels has value 0, yet takes part in the columns.
    Edges: a batch without any positive costs 0, a row or column without negatives too.
    Source: Kobayashi 2023, Two-Way Multi-Label Loss, equation 10.

    >>> round(float(TwoWay(from_logits=True)([[1.0, 0.0]], [[0.0, 0.0]])), 4)
    0.6931

    Args:
        positive_temperature: Tp > 0; the paper's 4.
        negative_temperature: Tn > 0; the paper's 1.
        from_logits: whether predictions are logits.
    """

    kinds = ("multilabel",)
    source = "Kobayashi 2023, Two-Way Multi-Label Loss"
    minimum = None
    batch_coupled = True
    search = {"positive_temperature": Float(0.5, 8.0, log=True)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "positive_temperature": 1.0, "negative_temperature": 2.0},
    )

    def __init__(
        self,
        positive_temperature: float = 4.0,
        negative_temperature: float = 1.0,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        name = "TwoWay"
        self.positive_temperature = check_range(
            name, "positive_temperature", positive_temperature, 1e-3
        )
        self.negative_temperature = check_range(
            name, "negative_temperature", negative_temperature, 1e-3
        )
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        positive, x = positive_logits(y_true, y_pred, self.from_logits)
        counts = ops.reshape(counts, (-1, 1))
        positive, negative = positive & counts, ops.logical_not(positive) & counts
        number = ops.sum(ops.cast(counts, x.dtype))
        share = ops.cast(positive, x.dtype)
        labelled = ops.cast(ops.any(positive, axis=1), x.dtype)
        present = ops.cast(ops.any(positive, axis=0), x.dtype)
        rows = self._pair(x, positive, negative, 1) * labelled
        columns = self._pair(x, positive, negative, 0) * present
        share = share / ops.maximum(ops.sum(share, axis=0), 1.0)
        values = rows / ops.maximum(ops.sum(labelled), 1.0)
        values = values + ops.sum(share * columns, axis=1) / ops.maximum(ops.sum(present), 1.0)
        return values * number

    def _pair(self, x: Any, positive: Any, negative: Any, axis: int) -> Any:
        low, high = self.positive_temperature, self.negative_temperature
        worst = low * log_sum_exp(-x / low, positive, axis)
        return ops.softplus(worst + high * log_sum_exp(x / high, negative, axis))


class MultiLabelMargin(Loss):
    """Every positive score above every negative one by a margin.

        loss = 1 / C sum_pos sum_neg max(0, margin - (x_p - x_n))

    Sorted sums make it O(C log C) in time and O(C) in memory, not O(C^2).

    Reads: y_true: (batch, ..., C) in {0, 1}; y_pred: (batch, ..., C) scores of any scale.
    Returns: (batch, ...); 0 without a positive or without a negative class.
    Source: Crammer & Singer 2003, A Family of Additive Online Algorithms for Category Ranking;
        the mean as in PyTorch's MultiLabelMarginLoss.

    >>> float(MultiLabelMargin()([[1.0, 0.0]], [[0.25, 0.0]]))
    0.375

    Args:
        margin: >= 0, in the unit of the scores.
        reduce_pairs: "classes" divides by C, as PyTorch does; "pairs" by the number of pairs, so
            that examples with many labels weigh no more than others.
    """

    kinds = ("multilabel",)
    source = "Crammer & Singer 2003, A Family of Additive Online Algorithms for Category Ranking"
    search = {"margin": Float(0.1, 4.0, log=True), "reduce_pairs": Choice(("classes", "pairs"))}
    variants = ({}, {"margin": 3.0}, {"reduce_pairs": "pairs"})
    from_logits = True

    def __init__(self, margin: float = 1.0, reduce_pairs: str = "classes", **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("MultiLabelMargin", "margin", margin, 0.0)
        if reduce_pairs not in ("classes", "pairs"):
            raise ValueError(
                "MultiLabelMargin: reduce_pairs must be 'classes' or 'pairs', "
                f"got {reduce_pairs!r}."
            )
        self.reduce_pairs = reduce_pairs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y = ops.cast(logp.binary_targets(y_true, y_pred) > 0.5, y_pred.dtype)
        x = y_pred - ops.max(ops.stop_gradient(y_pred), axis=-1, keepdims=True)
        # In the order of x_p - margin and x_n, a positive pays for the negatives after it.
        order = ops.argsort(x - self.margin * y, axis=-1)
        x, y = (ops.take_along_axis(v, order, axis=-1) for v in (x, y))
        negative = 1.0 - y
        behind = ops.sum(negative, axis=-1, keepdims=True) - ops.cumsum(negative, axis=-1)
        lower = ops.cumsum(y, axis=-1)  # how many positives pay for this negative
        values = y * behind * (self.margin - x) + negative * lower * x
        total = ops.maximum(ops.sum(values, axis=-1), 0.0)
        if self.reduce_pairs == "classes":
            return total / y_pred.shape[-1]
        pairs = ops.sum(y, axis=-1) * ops.sum(negative, axis=-1)
        return total / ops.maximum(pairs, 1.0)


def positive_logits(y_true: Any, y_pred: Any, from_logits: bool) -> tuple[Any, Any]:
    """Which classes are positive (boolean), and logits."""
    positive = logp.binary_targets(y_true, y_pred) > 0.5
    if from_logits:
        return positive, y_pred
    log_p, log_q = logp.log_sigmoid(y_pred, False)
    return positive, log_p - log_q


def log_sum_exp(x: Any, counts: Any, axis: int = -1) -> Any:
    """log sum exp(x) over what counts; -1e30 and no gradient where nothing does."""
    nothing = ops.logical_not(ops.any(counts, axis=axis, keepdims=True))
    inside = ops.logsumexp(ops.where(counts | nothing, x, NOTHING), axis=axis)
    return ops.where(ops.squeeze(nothing, axis=axis), NOTHING, inside)
