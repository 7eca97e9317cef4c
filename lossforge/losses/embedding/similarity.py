"""Losses that weigh all pairs of an anchor by their similarity."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import cosine_similarity
from lossforge.losses.embedding.pairs import InBatch
from lossforge.ranges import Choice, Float


class MultiSimilarity(InBatch):
    """Pairs weigh by their own similarity and by how it compares with the others'.

        loss_i = 1/alpha log(1 + sum_p exp(-alpha (s_ip - base)))
                 + 1/beta log(1 + sum_n exp(beta (s_in - base)))

    over pairs that the loss mines itself: a negative with s_in + epsilon > min_p s_ip, a positive
    with s_ip - epsilon < max_n s_in. `epsilon=None` keeps all pairs.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: with mining, an anchor without positives or negatives costs 0; without, each side
        counts by itself.
    Source: Wang et al. 2019, Multi-Similarity Loss with General Pair Weighting for Deep Metric
        Learning, equations 11, 12 and 15; base 0.5 as in the authors' code.

    >>> float(MultiSimilarity()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        alpha: sharpness on positives, > 0.
        beta: sharpness on negatives, > 0.
        base: the similarity at which weights turn, in [-1, 1].
        epsilon: slack of the mining, >= 0, or None for no mining.
    """

    kinds = ("embedding",)
    source = "Wang et al. 2019, Multi-Similarity Loss with General Pair Weighting"
    search = {"base": Float(0.2, 0.9), "beta": Float(10.0, 80.0), "epsilon": Choice((None, 0.1))}
    variants = ({}, {"epsilon": None}, {"alpha": 1.0, "beta": 10.0, "base": 0.2, "epsilon": 0.5})

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        epsilon: float | None = 0.1,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.alpha = check_range("MultiSimilarity", "alpha", alpha, 1e-6)
        self.beta = check_range("MultiSimilarity", "beta", beta, 1e-6)
        self.base = check_range("MultiSimilarity", "base", base, -1.0, 1.0)
        if epsilon is not None:
            epsilon = check_range("MultiSimilarity", "epsilon", epsilon, 0.0)
        self.epsilon = epsilon

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        s = cosine_similarity(embeddings)
        if self.epsilon is not None:
            positive, negative = informative_pairs(s, positive, negative, self.epsilon)
        pull = _log1p_sum_exp(positive, -self.alpha * (s - self.base))
        push = _log1p_sum_exp(negative, self.beta * (s - self.base))
        return pull / self.alpha + push / self.beta


class Circle(InBatch):
    """Each similarity is weighted by how far it is from its optimum.

        loss_i = log(1 + sum_n exp(gamma a_n (s_in - margin))
                       * sum_p exp(-gamma a_p (s_ip - 1 + margin)))
        a_p = [1 + margin - s_ip]_+,   a_n = [s_in + margin]_+

    The paper holds the weights a constant in the gradient, and so does this loss; Keras's own
    Circle differentiates them, which `hold_weights=False` does too.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: an anchor without positives or negatives costs 0.
    Source: Sun et al. 2020, Circle Loss: A Unified Perspective of Pair Similarity Optimization,
        equations 6 to 8.

    >>> float(Circle()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])) < 1e-4
    True

    Args:
        margin: relaxation in [0, 1]; the paper's 0.4 for retrieval, 0.25 for faces.
        gamma: scale > 0; the paper's 80 for retrieval, 256 for faces.
        hold_weights: whether weights are constants in the gradient.
    """

    kinds = ("embedding",)
    source = "Sun et al. 2020, Circle Loss: A Unified Perspective of Pair Similarity Optimization"
    search = {"margin": Float(0.1, 0.5), "gamma": Float(16.0, 256.0, log=True)}
    variants = ({}, {"hold_weights": False}, {"margin": 0.25, "gamma": 8.0})

    def __init__(
        self,
        margin: float = 0.4,
        gamma: float = 80.0,
        hold_weights: bool = True,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("Circle", "margin", margin, 0.0, 1.0)
        self.gamma = check_range("Circle", "gamma", gamma, 1e-6)
        self.hold_weights = self.detached = bool(hold_weights)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        s = cosine_similarity(embeddings)
        weight_p = ops.relu(1.0 + self.margin - s)
        weight_n = ops.relu(s + self.margin)
        if self.hold_weights:
            weight_p, weight_n = ops.stop_gradient(weight_p), ops.stop_gradient(weight_n)
        pull = -self.gamma * weight_p * (s - 1.0 + self.margin)
        push = self.gamma * weight_n * (s - self.margin)
        log_pull = pairs.log_sum_exp_where(positive, pull)
        log_push = pairs.log_sum_exp_where(negative, push)
        valid = ops.logical_and(pairs.some(positive), pairs.some(negative))
        return ops.where(valid, ops.softplus(log_pull + log_push), 0.0)


class IntraPairVariance(InBatch):
    """Similarities of one kind of pair near their own mean over the batch.

        loss_i = mean over p of [(1 - epsilon) m_p - s_ip]_+^2
                 + mean over n of [s_in - (1 + epsilon) m_n]_+^2

    m_p, m_n: the means of s over all positive and all negative pairs of the batch. A companion of
    TupletMargin and others, not a loss to train with by itself.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: a side without pairs costs 0.
    Source: Yu and Tao 2019, Deep Metric Learning with Tuplet Margin Loss.

    >>> round(float(IntraPairVariance()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])), 3)
    0.0

    Args:
        epsilon: slack around the means, >= 0; the paper's 0.01.
    """

    kinds = ("embedding",)
    source = "Yu and Tao 2019, Deep Metric Learning with Tuplet Margin Loss"
    search = {"epsilon": Float(0.0, 0.1)}
    variants = ({}, {"epsilon": 0.1})

    def __init__(self, epsilon: float = 0.01, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("IntraPairVariance", "epsilon", epsilon, 0.0)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        s = cosine_similarity(embeddings)

        def mean(mask):
            total = ops.sum(pairs.number(mask, s))
            return ops.sum(pairs.sum_where(mask, s)) / ops.maximum(total, 1.0)

        below = ops.relu((1.0 - self.epsilon) * mean(positive) - s)
        above = ops.relu(s - (1.0 + self.epsilon) * mean(negative))
        values = pairs.mean_where(positive, ops.square(below))
        return values + pairs.mean_where(negative, ops.square(above))


def informative_pairs(s: Any, positive: Any, negative: Any, epsilon: float) -> tuple[Any, Any]:
    """Pairs not yet beyond the hardest pair of the other kind by epsilon (multi-similarity)."""
    s = ops.stop_gradient(s)
    valid = ops.logical_and(pairs.some(positive), pairs.some(negative))[:, None]
    least, most = pairs.min_where(positive, s)[:, None], pairs.max_where(negative, s)[:, None]
    hard_positive = ops.logical_and(positive, s - epsilon < most)
    hard_negative = ops.logical_and(negative, s + epsilon > least)
    return ops.logical_and(hard_positive, valid), ops.logical_and(hard_negative, valid)


def _log1p_sum_exp(mask: Any, x: Any) -> Any:
    return ops.where(pairs.some(mask), ops.softplus(pairs.log_sum_exp_where(mask, x)), 0.0)
