"""Losses of one pair at a time: near within a class, far between classes."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import check_distance, pairwise
from lossforge.losses.embedding.pairs import InBatch
from lossforge.ranges import Choice, Float


class Contrastive(InBatch):
    """Pairs of a class together, pairs of two classes at least a margin apart.

        loss_i = 1/2 mean over p of [d(i, p) - positive_margin]_+^2
                 + 1/2 mean over n of [margin - d(i, n)]_+^2

    The two means are apart, so that the many negatives of a large batch do not drown the few
    positives; the paper sums over all pairs. `distance="snr"` is the pair loss of SNR metric
    learning, squared.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), taken as they are.
    Returns: (batch,).
    Edges: a side without pairs costs 0; equal embeddings have gradient 0.
    Source: Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping.

    >>> float(Contrastive(reduction="sum")([0, 0, 1], [[0.0], [1.0], [3.0]]))
    1.0

    Args:
        margin: from where on two classes are far enough, >= 0.
        positive_margin: up to where one class is near enough, >= 0; the paper's 0.
        distance: a name in `lossforge.losses.embedding.distances`.
    """

    kinds = ("embedding",)
    source = "Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping"
    search = {"margin": Float(0.2, 2.0), "distance": Choice(("euclidean", "chord"))}
    variants = (
        {},
        {"margin": 3.0, "positive_margin": 0.5},
        {"distance": "chord"},
        {"distance": "snr"},
        {"distance": "squared_euclidean", "margin": 5.0},
    )

    def __init__(
        self,
        margin: float = 1.0,
        positive_margin: float = 0.0,
        distance: str = "euclidean",
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("Contrastive", "margin", margin, 0.0)
        self.positive_margin = check_range("Contrastive", "positive_margin", positive_margin, 0.0)
        self.distance = check_distance("Contrastive", distance)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        d = pairwise(embeddings, distance=self.distance)
        apart = pairs.mean_where(positive, ops.square(ops.relu(d - self.positive_margin)))
        near = pairs.mean_where(negative, ops.square(ops.relu(self.margin - d)))
        return 0.5 * (apart + near)


class Margin(InBatch):
    """A boundary beta in the distance: classes inside by a margin, others outside by a margin.

        loss_i = mean over p of [d(i, p) - beta + margin]_+
                 + mean over n of [beta - d(i, n) + margin]_+

    d is the distance on the unit sphere. The paper samples negatives by distance; here all count
    unless a miner chooses. beta is a constant: one learned a class belongs to a layer.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: a side without pairs costs 0.
    Source: Wu et al. 2017, Sampling Matters in Deep Embedding Learning, equation 5.

    >>> float(Margin()([0, 0, 1], [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        margin: >= 0; the paper's 0.2.
        beta: the boundary, in [0, 2]; the paper's 1.2.
    """

    kinds = ("embedding",)
    source = "Wu et al. 2017, Sampling Matters in Deep Embedding Learning"
    search = {"margin": Float(0.05, 0.5), "beta": Float(0.6, 1.4)}
    variants = ({}, {"margin": 0.5, "beta": 0.8})

    def __init__(self, margin: float = 0.2, beta: float = 1.2, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("Margin", "margin", margin, 0.0)
        self.beta = check_range("Margin", "beta", beta, 0.0, 2.0)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        d = pairwise(embeddings, distance="chord")
        inside = pairs.mean_where(positive, ops.relu(d - self.beta + self.margin))
        return inside + pairs.mean_where(negative, ops.relu(self.beta - d + self.margin))


class RankedList(InBatch):
    """All positives within a ball, all negatives outside, the near ones weighing more.

        loss_i = (1 - balance) mean over p, where positive, of [d(i, p) - (alpha - margin)]_+
                 + balance sum over n with d(i, n) < alpha of w_n [alpha - d(i, n)]
        w_n proportional to exp(temperature [alpha - d(i, n)]), sum 1, held constant

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: positives inside the ball and negatives outside do not count in the means.
    Source: Wang et al. 2019, Ranked List Loss for Deep Metric Learning, equations 4 to 9.

    >>> float(RankedList()([0, 0, 1], [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        margin: between the two boundaries, in [0, alpha]; the paper's 0.4.
        alpha: the boundary of negatives, in [0, 2]; the paper's 1.2.
        temperature: how much near negatives weigh more, >= 0; 0 weighs all alike.
        balance: share of the negatives in [0, 1].
    """

    detached = True
    kinds = ("embedding",)
    source = "Wang et al. 2019, Ranked List Loss for Deep Metric Learning"
    search = {"margin": Float(0.1, 0.8), "temperature": Float(0.0, 20.0)}
    variants = ({}, {"margin": 0.8, "alpha": 1.4, "temperature": 0.0, "balance": 0.25})

    def __init__(
        self,
        margin: float = 0.4,
        alpha: float = 1.2,
        temperature: float = 10.0,
        balance: float = 0.5,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("RankedList", "alpha", alpha, 0.0, 2.0)
        self.margin = check_range("RankedList", "margin", margin, 0.0, self.alpha)
        self.temperature = check_range("RankedList", "temperature", temperature, 0.0)
        self.balance = check_range("RankedList", "balance", balance, 0.0, 1.0)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        d = pairwise(embeddings, distance="chord")
        outside = d - (self.alpha - self.margin)
        pull = pairs.mean_where(ops.logical_and(positive, outside > 0), outside)
        inside = self.alpha - d
        near = ops.logical_and(negative, inside > 0)
        logits = ops.stop_gradient(self.temperature * inside)
        log_total = pairs.log_sum_exp_where(near, logits)[:, None]
        weight = ops.exp(ops.where(near, logits - log_total, -float("inf")))
        push = pairs.sum_where(near, weight * inside)
        return (1.0 - self.balance) * pull + self.balance * push
