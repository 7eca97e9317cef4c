"""Losses of one positive pair against all negatives at once."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import (
    check_distance,
    cosine_similarity,
    pairwise,
    safe_sqrt,
)
from lossforge.losses.embedding.pairs import InBatch
from lossforge.ranges import Float


class NPair(InBatch):
    """A positive against all negatives of the batch, by inner products.

        loss_i = mean over p of log(1 + sum over n of exp(x_i . x_n - x_i . x_p))

    The paper's batch holds one pair a class; with more, every positive is a pair, and other
    positives are never negatives.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), not normalised: their length
        is the temperature. The paper keeps it in check by a small penalty on squared lengths.
    Returns: (batch,).
    Edges: an anchor without positives or negatives costs 0.
    Source: Sohn 2016, Improved Deep Metric Learning with Multi-class N-pair Loss Objective,
        equation 6.

    >>> float(NPair()([0, 0, 1], [[9.0], [9.0], [-9.0]]))
    0.0
    """

    kinds = ("embedding",)
    source = "Sohn 2016, Improved Deep Metric Learning with Multi-class N-pair Loss Objective"

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        dots = ops.matmul(embeddings, ops.transpose(embeddings))
        log_negatives = pairs.log_sum_exp_where(negative, dots)[:, None]
        valid = ops.logical_and(positive, pairs.some(negative)[:, None])
        return pairs.mean_where(valid, ops.softplus(log_negatives - dots))


class Lifted(InBatch):
    """A positive pair against the negatives of both its ends, nearest first, softly.

        J_ip = d(i, p) + log(sum over n of exp(margin - d(i, n)) + sum of exp(margin - d(p, n)))
        loss_i = 1/2 mean over p of [J_ip]_+^2

    and `generalized=True`, which also takes the positives softly and squares nothing:

        loss_i = [log sum_p exp d(i, p) + log sum_n exp(margin - d(i, n))]_+

    One logsumexp a row holds all negatives: O(B^2) where tensorflow-addons has O(B^3).

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), taken as they are.
    Returns: (batch,).
    Edges: an anchor without positives or negatives costs 0.
    Source: Song et al. 2016, Deep Metric Learning via Lifted Structured Feature Embedding;
        generalized: Hermans et al. 2017, In Defense of the Triplet Loss.

    >>> float(Lifted()([0, 0, 1], [[0.0], [0.0], [9.0]]))
    0.0

    Args:
        margin: >= 0.
        generalized: whether positives are taken softly.
        distance: a name in `lossforge.losses.embedding.distances`.
    """

    kinds = ("embedding",)
    source = "Song et al. 2016, Deep Metric Learning via Lifted Structured Feature Embedding"
    search = {"margin": Float(0.2, 2.0)}
    variants = ({}, {"generalized": True}, {"margin": 0.5, "distance": "chord"})

    def __init__(
        self,
        margin: float = 1.0,
        generalized: bool = False,
        distance: str = "euclidean",
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("Lifted", "margin", margin, 0.0)
        self.generalized = bool(generalized)
        self.distance = check_distance("Lifted", distance)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        d = pairwise(embeddings, distance=self.distance)
        push = pairs.log_sum_exp_where(negative, self.margin - d)
        if self.generalized:
            valid = ops.logical_and(pairs.some(positive), pairs.some(negative))
            pull = pairs.log_sum_exp_where(positive, d)
            return ops.where(valid, ops.relu(pull + push), 0.0)
        both = push[:, None] + ops.softplus(push[None, :] - push[:, None])
        excess = d + both
        valid = ops.logical_and(positive, pairs.some(negative)[:, None])
        return 0.5 * pairs.mean_where(valid, ops.square(ops.relu(excess)))


class Angular(InBatch):
    """The angle at a negative, seen from a positive pair, must stay below alpha.

        f_ipn = 4 tan^2(alpha) (x_i + x_p) . x_n - 2 (1 + tan^2(alpha)) x_i . x_p
        loss_i = mean over p of log(1 + sum over n of exp f_ipn)

    on unit vectors, negatives included. The sum over n for all pairs is one matrix product.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: an anchor without positives or negatives costs 0.
    Source: Wang et al. 2017, Deep Metric Learning with Angular Loss, equation 8.

    >>> round(float(Angular()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])), 4)
    0.0001

    Args:
        alpha: in degrees, in [1, 60]; the paper's 36 to 55.
    """

    kinds = ("embedding",)
    source = "Wang et al. 2017, Deep Metric Learning with Angular Loss"
    search = {"alpha": Float(30.0, 55.0)}
    variants = ({}, {"alpha": 55.0})

    def __init__(self, alpha: float = 40.0, **base: Any) -> None:
        super().__init__(**base)
        self.alpha = check_range("Angular", "alpha", alpha, 1.0, 60.0)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        square = math.tan(math.radians(self.alpha)) ** 2
        cosines = cosine_similarity(embeddings)
        # Exponents lie in [-48, 48] for alpha <= 60 degrees: no product under- or overflows.
        each = ops.where(negative, ops.exp(4.0 * square * (cosines - 1.0)), 0.0)
        total = ops.matmul(each, ops.transpose(each))
        valid = ops.logical_and(positive, pairs.some(negative)[:, None])
        log_total = ops.log(ops.where(valid, total, 1.0)) + 8.0 * square
        values = ops.softplus(log_total - 2.0 * (1.0 + square) * cosines)
        return pairs.mean_where(valid, values)


class TupletMargin(InBatch):
    """A positive against all negatives by cosine, its angle relieved of a slack margin.

        loss_i = mean over p of log(1 + sum over n of exp(scale (cos(i, n) - cos(t_ip - slack))))

    with t_ip the angle between i and its positive.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: an angle below the slack counts as the formula says, cos(t - slack) < 1; an anchor
        without positives or negatives costs 0.
    Source: Yu and Tao 2019, Deep Metric Learning with Tuplet Margin Loss.

    >>> float(TupletMargin()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        slack_degrees: in [0, 45]; the paper's 5.73 (0.1 rad).
        scale: > 0; the paper's 64.
    """

    kinds = ("embedding",)
    source = "Yu and Tao 2019, Deep Metric Learning with Tuplet Margin Loss"
    search = {"slack_degrees": Float(0.0, 15.0), "scale": Float(8.0, 128.0, log=True)}
    variants = ({}, {"slack_degrees": 0.0, "scale": 8.0})

    def __init__(self, slack_degrees: float = 5.73, scale: float = 64.0, **base: Any) -> None:
        super().__init__(**base)
        self.slack_degrees = check_range("TupletMargin", "slack_degrees", slack_degrees, 0.0, 45.0)
        self.scale = check_range("TupletMargin", "scale", scale, 1e-6)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        slack = math.radians(self.slack_degrees)
        cosines = cosine_similarity(embeddings)
        sines = safe_sqrt(1.0 - ops.square(cosines))
        relieved = cosines * math.cos(slack) + sines * math.sin(slack)
        log_negatives = pairs.log_sum_exp_where(negative, self.scale * cosines)[:, None]
        valid = ops.logical_and(positive, pairs.some(negative)[:, None])
        return pairs.mean_where(valid, ops.softplus(log_negatives - self.scale * relieved))
