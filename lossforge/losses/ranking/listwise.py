"""Rankings judged as a whole: ListNet, ListMLE, a smooth NDCG, a soft sort."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.ranking import lists
from lossforge.losses.ranking.lists import ListLoss
from lossforge.ranges import Choice, Float

FAR = 1e30


class ListNet(ListLoss):
    """Cross-entropy between the list's grades and scores, as chances to stand first.

        loss = -sum_i t_i log softmax(s)_i
        targets "softmax"   t = softmax(y)       "share"   t = y / sum y

    Reads: y_true: (batch, N) grades >= 0, below 0 is padding; y_pred: (batch, N) scores.
    Returns: (batch,); 0 for a list of padding, or without relevant items ("share").
    Source: Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach.

    >>> round(float(ListNet()([[0, 0]], [[0.0, 0.0]])), 4)
    0.6931

    Args:
        targets: "softmax" (the paper's), or "share" for grades that are shares or clicks.
    """

    kinds = ("grades",)
    source = "Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach"
    minimum = None
    memory = "O(B N)"
    search = {"targets": Choice(("softmax", "share"))}
    variants = ({},)

    def __init__(self, targets: str = "softmax", **base: Any) -> None:
        super().__init__(**base)
        if targets not in ("softmax", "share"):
            raise ValueError(f"ListNet: targets must be 'softmax' or 'share', got {targets!r}.")
        self.targets = targets

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        log_p = ops.log_softmax(ops.where(real, s, -FAR), axis=-1)
        if self.targets == "softmax":
            t = ops.softmax(ops.where(real, y, -FAR), axis=-1)
        else:
            t = lists.share_of(y, ops.sum(y, axis=-1, keepdims=True))
        return -ops.sum(ops.where(real, t * log_p, 0.0), axis=-1)


class ListMLE(ListLoss):
    """Likelihood of the right order, when items are drawn one after the other.

        loss = sum_i log(exp(s_i) + sum_{y_j < y_i} exp(s_j)) - s_i

    Reads: y_true: (batch, N) grades >= 0, below 0 is padding; y_pred: (batch, N) scores.
    Returns: (batch,).
    Edges: items of one grade do not compete, so that their order does not matter; the paper has
        no ties, and most implementations break them by position or at random.
    Source: Xia et al. 2008, Listwise Approach to Learning to Rank: Theory and Algorithm.

    >>> round(float(ListMLE()([[1, 0]], [[0.0, 0.0]])), 4)
    0.6931
    """

    kinds = ("relevance",)
    source = "Xia et al. 2008, Listwise Approach to Learning to Rank"

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        itself = ops.eye(s.shape[1], dtype="bool")[None]
        left = ops.logical_or(lists.ordered_pairs(y, real), itself)
        rest = ops.logsumexp(ops.where(left, s[:, None, :], -FAR), axis=-1)
        return ops.sum(ops.where(real, rest - s, 0.0), axis=-1)


class ApproxNDCG(ListLoss):
    """One minus NDCG, with places made smooth.

        place_i = 1 + sum_{j != i} sigmoid((s_j - s_i) / temperature)
        loss = 1 - sum_i (2^y_i - 1) / log2(1 + place_i) / (the same in the best order)

    Reads: y_true: (batch, N) grades >= 0, below 0 is padding; y_pred: (batch, N) scores.
    Returns: (batch,), at most 1; 0 for a list without relevant items.
    Edges: flat where scores are many temperatures apart.
    Source: Qin et al. 2010, A General Approximation Framework for Direct Optimization of
        Information Retrieval Measures.

    >>> round(float(ApproxNDCG()([[1, 0]], [[10.0, 0.0]])), 6)
    0.0

    Args:
        temperature: how smooth places are, > 0; 0.1.
    """

    kinds = ("relevance",)
    source = "Qin et al. 2010, A General Approximation Framework"
    minimum = None
    search = {"temperature": Float(0.02, 2.0, log=True)}
    variants = ({}, {"temperature": 1.0})

    def __init__(self, temperature: float = 0.1, **base: Any) -> None:
        super().__init__(**base)
        self.temperature = check_range("ApproxNDCG", "temperature", temperature, 1e-3)

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        above = ops.sigmoid((s[:, None, :] - s[:, :, None]) / self.temperature)
        above = ops.sum(ops.where(real[:, None, :], above, 0.0), axis=-1)
        place = 0.5 + above  # each item counts itself as one half
        gain = ops.sum(lists.gains(y, real) * lists.discount(place), axis=-1)
        ideal = lists.ideal_gain(y, real)
        return ops.where(ideal > 0, 1.0 - lists.share_of(gain, ideal), 0.0)


class NeuralSort(ListLoss):
    """Cross-entropy of a soft sort: which item stands at which place.

        P[i, j] = softmax_j(((n + 1 - 2 i) s_j - sum_k |s_j - s_k|) / temperature)
        loss = -mean over places i of log P[i, the item at place i by grade]

    Items of one grade share their places evenly.

    Reads: y_true: (batch, N) grades >= 0, below 0 is padding; y_pred: (batch, N) scores.
    Returns: (batch,).
    Source: Grover et al. 2019, Stochastic Optimization of Sorting Networks via Continuous
        Relaxations, equation 5.

    >>> round(float(NeuralSort()([[1, 0]], [[40.0, 0.0]])), 6)
    0.0

    Args:
        temperature: how soft the sort is, > 0; 1.
    """

    kinds = ("relevance",)
    source = "Grover et al. 2019, Stochastic Optimization of Sorting Networks"
    minimum = None
    search = {"temperature": Float(0.1, 10.0, log=True)}
    variants = ({}, {"temperature": 3.0})

    def __init__(self, temperature: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.temperature = check_range("NeuralSort", "temperature", temperature, 1e-3)

    def list_values(self, y: Any, s: Any, real: Any) -> Any:
        count = ops.sum(ops.cast(real, s.dtype), axis=-1)
        gaps = ops.abs(s[:, :, None] - s[:, None, :])
        gaps = ops.sum(ops.where(real[:, None, :], gaps, 0.0), axis=-1)
        place = ops.cast(ops.arange(s.shape[1]), s.dtype) + 1.0
        slope = count[:, None] + 1.0 - 2.0 * place[None, :]
        logits = (slope[:, :, None] * s[:, None, :] - gaps[:, None, :]) / self.temperature
        log_p = ops.log_softmax(ops.where(real[:, None, :], logits, -FAR), axis=-1)
        above = ops.cast(lists.ordered_pairs(y, real), s.dtype)
        first = 1.0 + ops.sum(above, axis=1)  # of the places that an item's grade fills
        tied = count[:, None] - ops.sum(above, axis=1) - ops.sum(above, axis=2)
        here = ops.logical_and(
            place[None, :, None] >= first[:, None, :],
            place[None, :, None] < (first + tied)[:, None, :],
        )
        here = ops.logical_and(here, real[:, None, :])
        share = 1.0 / ops.maximum(tied, 1.0)[:, None, :]
        total = ops.sum(ops.where(here, -log_p * share, 0.0), axis=(1, 2))
        return total / ops.maximum(count, 1.0)
