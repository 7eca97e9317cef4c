"""Rankings judged pair by pair: RankNet, BPR, hinge, WARP, LambdaRank."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.ranking import lists
from lossforge.losses.ranking.lists import ListLoss
from lossforge.ranges import Choice, Float


class PairwiseRanking(ListLoss):
    """Items of higher grade are to score higher: RankNet, BPR and the ranking hinge.

        logistic   log(1 + exp(-(s_i - s_j)))                RankNet; BPR with one positive item
        hinge      max(0, margin - (s_i - s_j))              over pairs with y_i > y_j

    The mean over pairs (the papers add them up). With `hardest=True` item i meets only the
    best-scored item of a lower grade, and the mean is over i: the adaptive hinge.

    Reads: y_true: (batch, N) grades >= 0, for example 1 for the item chosen and 0 for sampled
        ones; below 0 is padding. y_pred: (batch, N) scores.
    Returns: (batch,); 0 for a list without an ordered pair.
    Source: Burges et al. 2005, Learning to Rank using Gradient Descent; Rendle et al. 2009, BPR:
        Bayesian Personalized Ranking from Implicit Feedback.

    >>> float(PairwiseRanking("hinge")([[1, 0]], [[2.0, 0.0]]))
    0.0

    Args:
        surrogate: "logistic" or "hinge".
        margin: of the hinge, > 0.
        hardest: whether item i meets only its hardest opponent.

    Raises:
        ValueError: for an unknown surrogate or a margin out of range.
    """

    kinds = ("relevance",)
    source = "Burges et al. 2005, Learning to Rank using Gradient Descent; Rendle et al. 2009, BPR"
    search = {"surrogate": Choice(("logistic", "hinge")), "hardest": Choice((False, True))}
    variants = (
        {},
        {"surrogate": "hinge"},
        {"hardest": True},
        {"surrogate": "hinge", "margin": 0.5, "hardest": True},
    )

    def __init__(
        self, surrogate: str = "logistic", margin: float = 1.0, hardest: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        if surrogate not in ("logistic", "hinge"):
            raise ValueError(
                f"PairwiseRanking: surrogate must be 'logistic' or 'hinge', got {surrogate!r}."
            )
        self.surrogate = surrogate
        self.margin = check_range("PairwiseRanking", "margin", margin, 1e-6)
        self.hardest = bool(hardest)

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        pairs = lists.ordered_pairs(y, real)
        if not self.hardest:
            return lists.mean_of(self._cost(s[:, :, None] - s[:, None, :]), pairs, (1, 2))
        some = ops.any(pairs, axis=-1)
        opponent = ops.max(ops.where(pairs, s[:, None, :], -float("inf")), axis=-1)
        opponent = ops.where(some, opponent, s)
        return lists.mean_of(self._cost(s - opponent), some, -1)

    def _cost(self, gap: Any) -> Any:
        if self.surrogate == "logistic":
            return ops.softplus(-gap)
        return ops.maximum(self.margin - gap, 0.0)


class WARP(ListLoss):
    """A hinge that weighs an item by how many lower ones stand too near: precision at the top.

        r_i = number of j with y_j < y_i and s_j > s_i - margin
        loss = mean_i (1 + 1/2 + ... + 1/r_i) / r_i sum_j max(0, margin - (s_i - s_j))

    over items i that have lower ones. The paper draws j until one violates, to estimate r_i; this
    is the expected value of that, with r_i counted.

    Reads: y_true: (batch, N) grades >= 0, below 0 is padding; y_pred: (batch, N) scores.
    Returns: (batch,).
    Source: Weston et al. 2011, WSABIE: Scaling Up to Large Vocabulary Image Annotation.

    >>> float(WARP()([[1, 0]], [[2.0, 0.0]]))
    0.0

    Args:
        margin: > 0; the paper's 1.
    """

    reweighted = True
    kinds = ("relevance",)
    source = "Weston et al. 2011, WSABIE"
    search = {"margin": Float(0.1, 5.0, log=True)}
    variants = ({}, {"margin": 0.3})

    def __init__(self, margin: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("WARP", "margin", margin, 1e-6)

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        pairs = lists.ordered_pairs(y, real)
        hinge = ops.maximum(self.margin - (s[:, :, None] - s[:, None, :]), 0.0)
        hinge = ops.where(pairs, hinge, 0.0)
        rank = ops.sum(ops.cast(hinge > 0, "int32"), axis=-1)
        harmonic = np.cumsum(1.0 / np.arange(1, s.shape[1] + 1)) / np.arange(1, s.shape[1] + 1)
        weight = ops.convert_to_tensor(np.concatenate([[0.0], harmonic]), dtype=s.dtype)
        weighted = ops.take(weight, rank) * ops.sum(hinge, axis=-1)
        return lists.mean_of(weighted, ops.any(pairs, axis=-1), -1)


class LambdaRank(ListLoss):
    """RankNet that weighs each pair by what swapping it would do to NDCG.

        loss = sum over y_i > y_j of |G_i - G_j| |D_i - D_j| / ideal * log(1 + exp(-(s_i - s_j)))

    with gains G = 2^y - 1, discounts D = 1 / log2(1 + place) of the present order, held constant,
    and the discounted gain of the best order.

    Reads: y_true: (batch, N) grades >= 0, below 0 is padding; y_pred: (batch, N) scores.
    Returns: (batch,); 0 for a list where all grades are equal.
    Source: Burges et al. 2006, Learning to Rank with Nonsmooth Cost Functions; as a loss, Wang et
        al. 2018, The LambdaLoss Framework for Ranking Metric Optimization.

    >>> round(float(LambdaRank()([[1, 0]], [[40.0, 0.0]])), 6)
    0.0
    """

    detached = True
    reweighted = True
    kinds = ("relevance",)
    source = "Burges et al. 2006, Learning to Rank with Nonsmooth Cost Functions"

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        gain = lists.gains(y, real)
        discount = lists.discount(lists.places(ops.stop_gradient(s), real))
        swap = ops.abs(gain[:, :, None] - gain[:, None, :])
        swap = swap * ops.abs(discount[:, :, None] - discount[:, None, :])
        cost = ops.softplus(s[:, None, :] - s[:, :, None])
        total = ops.sum(ops.where(lists.ordered_pairs(y, real), swap * cost, 0.0), axis=(1, 2))
        return lists.share_of(total, lists.ideal_gain(y, real))
