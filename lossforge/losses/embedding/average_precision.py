"""Ranking losses: average precision and recall of every anchor, with sigmoids for steps.

They compare every positive with all others, B^2 numbers an anchor. Anchors are taken one after the
other and leave only their value and its slope, so that memory stays O(B^2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import cosine_similarity, diagonal
from lossforge.losses.embedding.pairs import InBatch
from lossforge.ranges import Choice, Float

PNP_VARIANTS = ("O", "Iu", "Ib", "Ds", "Dq")


class SmoothAP(InBatch):
    """One minus the average precision of every anchor's ranking.

        G(d) = sigmoid(d / temperature)
        loss_i = 1 - mean over p of (1 + sum over q in P, q != p, of G(s_iq - s_ip))
                                  / (1 + sum over j in P and N, j != p, of G(s_ij - s_ip))

    Classes may have any number of members.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,) in [0, 1].
    Edges: an anchor without positives costs 0. Memory is O(B^2), time O(B^3).
    Source: Brown et al. 2020, Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval,
        equation 6.

    >>> float(SmoothAP()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        temperature: width of the step, > 0; the paper's 0.01.
    """

    kinds = ("embedding",)
    source = "Brown et al. 2020, Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval"
    search = {"temperature": Float(0.005, 0.2, log=True)}
    variants = ({}, {"temperature": 0.2})

    def __init__(self, temperature: float = 0.01, **base: Any) -> None:
        super().__init__(**base)
        self.temperature = check_range("SmoothAP", "temperature", temperature, 1e-4)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        return by_anchor(self._anchor, cosine_similarity(embeddings), positive, negative)

    def _anchor(self, s: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        above, slope = steps(s, self.temperature)
        same = _columns(positive, s)
        every = _columns(ops.logical_or(positive, negative), s)
        before = 1.0 + ops.sum(same * above, axis=-1)
        rank = 1.0 + ops.sum(every * above, axis=-1)
        share = ops.cast(positive, s.dtype) / ops.maximum(pairs.number(positive, s), 1.0)
        value = ops.sum(share) - ops.sum(share * before / rank)
        by_pair = (same / rank[:, None] - every * (before / ops.square(rank))[:, None]) * slope
        return value, -_to_columns(by_pair * share[:, None])


class RecallAtK(InBatch):
    """One minus the recall among the k nearest, a mean over several k.

        rank_ip = 1 + sum over j != p of sigmoid((s_ij - s_ip) / temperature)
        loss_i = 1 - mean over k and p of sigmoid((k - rank_ip) / rank_temperature)

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,) in [0, 1]; with k below the size of a class it can't reach 0.
    Edges: an anchor without positives costs 0. Memory is O(B^2), time O(B^3).
    Source: Patel et al. 2022, Recall@k Surrogate Loss with Large Batches and Similarity Mixup.

    >>> float(RecallAtK(k=(4,))([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])) < 0.05
    True

    Args:
        k: one or more numbers >= 1; the paper's 1, 2, 4, 8, 16.
        temperature: width of the step between two similarities, > 0.
        rank_temperature: width of the step at k, > 0.
    """

    kinds = ("embedding",)
    source = "Patel et al. 2022, Recall@k Surrogate Loss with Large Batches and Similarity Mixup"
    search = {"temperature": Float(0.005, 0.2, log=True)}
    variants = ({}, {"k": (3,), "temperature": 0.1, "rank_temperature": 0.5})

    def __init__(
        self,
        k: Sequence[float] = (1, 2, 4, 8, 16),
        temperature: float = 0.01,
        rank_temperature: float = 1.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.k = tuple(check_range("RecallAtK", "k", number, 1.0) for number in k)
        self.temperature = check_range("RecallAtK", "temperature", temperature, 1e-4)
        self.rank_temperature = check_range("RecallAtK", "rank_temperature", rank_temperature, 1e-4)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        return by_anchor(self._anchor, cosine_similarity(embeddings), positive, negative)

    def _anchor(self, s: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        above, slope = steps(s, self.temperature)
        every = _columns(ops.logical_or(positive, negative), s)
        rank = 1.0 + ops.sum(every * above, axis=-1)
        share = ops.cast(positive, s.dtype) / ops.maximum(pairs.number(positive, s), 1.0)
        k = ops.convert_to_tensor(self.k, dtype=s.dtype)
        found = ops.sigmoid((k[:, None] - rank[None, :]) / self.rank_temperature)
        fall = ops.sum(found * (1.0 - found), axis=0) / (len(self.k) * self.rank_temperature)
        value = ops.sum(share) - ops.sum(share * ops.sum(found, axis=0)) / len(self.k)
        return value, _to_columns(every * slope * (share * fall)[:, None])


class PNP(InBatch):
    """Only negatives that rank above a positive cost; the order among positives does not.

        R_ip = sum over n of sigmoid((s_in - s_ip) / temperature), about how many rank above p
        loss_i = mean over p of f(R_ip)

        "O"    f(R) = R
        "Iu"   f(R) = (1 + R) log(1 + R)            the more above, the steeper
        "Ib"   f(R) = (b R - log(1 + b R)) / b^2    the same, bounded by 1 / b
        "Ds"   f(R) = log(1 + R)                    the more above, the flatter
        "Dq"   f(R) = 1 - (1 + R)^-alpha

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,), >= 0.
    Edges: an anchor without positives costs 0. Memory is O(B^2), time O(B^3).
    Source: Li et al. 2022, Rethinking the Optimization of Average Precision: Only Penalizing
        Negative Instances before Positive Ones is Enough, equations 8 to 13.

    >>> float(PNP()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        variant: "O", "Iu", "Ib", "Ds" or "Dq".
        temperature: width of the step, > 0; the paper's 0.01.
        b: of "Ib", > 0.
        alpha: of "Dq", > 0.

    Raises:
        ValueError: for a variant that does not exist, or numbers out of range.
    """

    kinds = ("embedding",)
    source = "Li et al. 2022, Rethinking the Optimization of Average Precision"
    search = {"temperature": Float(0.005, 0.2, log=True), "variant": Choice(PNP_VARIANTS)}
    variants = ({}, *({"variant": v, "temperature": 0.2} for v in PNP_VARIANTS))

    def __init__(
        self,
        variant: str = "O",
        temperature: float = 0.01,
        b: float = 2.0,
        alpha: float = 1.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if variant not in PNP_VARIANTS:
            names = ", ".join(repr(v) for v in PNP_VARIANTS)
            raise ValueError(f"PNP: variant must be one of {names}, got {variant!r}.")
        self.variant = variant
        self.temperature = check_range("PNP", "temperature", temperature, 1e-4)
        self.b = check_range("PNP", "b", b, 1e-6)
        self.alpha = check_range("PNP", "alpha", alpha, 1e-6)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        return by_anchor(self._anchor, cosine_similarity(embeddings), positive, negative)

    def _anchor(self, s: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        above, slope = steps(s, self.temperature)
        other = ops.cast(negative, s.dtype)[None, :]
        cost, rise = self._cost(ops.sum(other * above, axis=-1))
        share = ops.cast(positive, s.dtype) / ops.maximum(pairs.number(positive, s), 1.0)
        return ops.sum(share * cost), _to_columns(other * slope * (share * rise)[:, None])

    def _cost(self, rank: Any) -> tuple[Any, Any]:
        """f(R) and its slope."""
        if self.variant == "O":
            return rank, ops.ones_like(rank)
        if self.variant == "Iu":
            return (1.0 + rank) * ops.log1p(rank), 1.0 + ops.log1p(rank)
        if self.variant == "Ib":
            cost = (self.b * rank - ops.log1p(self.b * rank)) / self.b**2
            return cost, rank / (1.0 + self.b * rank)
        if self.variant == "Ds":
            return ops.log1p(rank), 1.0 / (1.0 + rank)
        left = ops.power(1.0 + rank, -self.alpha)
        return 1.0 - left, self.alpha * left / (1.0 + rank)


def by_anchor(function: Callable, s: Any, positive: Any, negative: Any) -> Any:
    """Values of all anchors, with gradient, from (value, d value / d s) of one at a time.

    The gradient is exact; second derivatives are zero.
    """
    fixed = ops.stop_gradient(s)
    rows = (fixed, positive, negative)
    values, slopes = ops.map(lambda row: function(*row), rows)
    values, slopes = ops.stop_gradient(values), ops.stop_gradient(slopes)
    return values + ops.sum(slopes * (s - fixed), axis=-1)


def steps(s: Any, temperature: float) -> tuple[Any, Any]:
    """[p, j]: how far s_j is above s_p, 0 to 1, and the slope of that."""
    above = ops.sigmoid((s[None, :] - s[:, None]) / temperature)
    return above, above * (1.0 - above) / temperature


def _columns(mask: Any, s: Any) -> Any:
    """[p, j]: 1 where j is in `mask` and not p."""
    return ops.cast(ops.logical_and(mask[None, :], ops.logical_not(diagonal(s))), s.dtype)


def _to_columns(by_pair: Any) -> Any:
    """Slopes in s_j - s_p as slopes in each s."""
    return ops.sum(by_pair, axis=0) - ops.sum(by_pair, axis=1)
