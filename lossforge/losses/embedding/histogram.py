"""Losses of soft histograms: every number shares its weight between the two nearest bins."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import cosine_similarity
from lossforge.losses.embedding.pairs import InBatch
from lossforge.ranges import Choice


class Histogram(InBatch):
    """The chance that a random negative pair is more similar than a random positive one.

        loss = sum over bins r of h-_r sum over q <= r of h+_q

    with h+ and h- the soft histograms of the cosines of all positive and all negative pairs.
    Value i is the part of the negatives of anchor i, times the number of anchors, so that the mean
    of all is the paper's number.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: a batch without positive or without negative pairs costs 0.
    Source: Ustinova and Lempitsky 2016, Learning Deep Embeddings with Histogram Loss.

    >>> float(Histogram()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        bins: how many intervals [-1, 1] has, >= 2; the paper's 50 to 200.
    """

    kinds = ("embedding",)
    source = "Ustinova and Lempitsky 2016, Learning Deep Embeddings with Histogram Loss"
    search = {"bins": Choice((50, 100, 200))}
    variants = ({}, {"bins": 10})

    def __init__(self, bins: int = 100, **base: Any) -> None:
        super().__init__(**base)
        self.bins = int(check_range("Histogram", "bins", bins, 2))

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        s = cosine_similarity(embeddings)
        low, share = soft_bins(s, -1.0, 1.0, self.bins)
        each = histogram_rows(positive, low, share, self.bins)
        positives = ops.sum(pairs.number(positive, s))
        below = ops.cumsum(ops.sum(each, axis=0)) / ops.maximum(positives, 1.0)
        risk = (1.0 - share) * ops.take(below, low) + share * ops.take(below, low + 1)
        negatives = pairs.number(negative, s)
        counting = ops.logical_or(pairs.some(positive), pairs.some(negative))
        anchors = ops.sum(ops.cast(counting, s.dtype))
        return pairs.sum_where(negative, risk) * anchors / ops.maximum(ops.sum(negatives), 1.0)


class FastAP(InBatch):
    """One minus the average precision of every anchor's ranking, from histograms.

        loss_i = 1 - 1 / |P| sum over bins of h+ H+ / H

    h+: soft histogram of the squared distances to positives; H+, H: sums up to a bin, over
    positives and over all. Distances are those of unit vectors, in [0, 4].

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,) in [0, 1].
    Edges: an anchor without positives costs 0.
    Source: Cakir et al. 2019, Deep Metric Learning to Rank, equations 8 and 9.

    >>> float(FastAP()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    0.0

    Args:
        bins: how many intervals [0, 4] has, >= 2; the paper's 10.
    """

    kinds = ("embedding",)
    source = "Cakir et al. 2019, Deep Metric Learning to Rank"
    search = {"bins": Choice((5, 10, 20))}
    variants = ({}, {"bins": 4})

    def __init__(self, bins: int = 10, **base: Any) -> None:
        super().__init__(**base)
        self.bins = int(check_range("FastAP", "bins", bins, 2))

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        squared = 2.0 - 2.0 * cosine_similarity(embeddings)
        low, share = soft_bins(squared, 0.0, 4.0, self.bins)
        of_positives = histogram_rows(positive, low, share, self.bins)
        of_negatives = histogram_rows(negative, low, share, self.bins)
        positives = ops.cumsum(of_positives, axis=-1)
        all_of_them = positives + ops.cumsum(of_negatives, axis=-1)
        precision = positives / ops.where(all_of_them > 0, all_of_them, 1.0)
        ap = ops.sum(of_positives * precision, axis=-1)
        ap = ap / ops.maximum(pairs.number(positive, squared), 1.0)
        return ops.where(pairs.some(positive), 1.0 - ap, 0.0)


def soft_bins(x: Any, start: float, stop: float, bins: int) -> tuple[Any, Any]:
    """(lower bin, share of the next bin) of numbers between bins + 1 equidistant centres."""
    place = ops.clip((x - start) / (stop - start) * bins, 0.0, float(bins))
    low = ops.minimum(ops.floor(ops.stop_gradient(place)), bins - 1.0)
    low = ops.where(ops.isnan(low), 0.0, low)
    return ops.cast(low, "int32"), place - low


def histogram_rows(mask: Any, low: Any, share: Any, bins: int) -> Any:
    """(B, bins + 1): the weight in each bin of those entries of a row where `mask` holds."""
    rows = ops.shape(low)[0]
    segment = ops.reshape(low + ops.arange(rows, dtype="int32")[:, None] * (bins + 1), (-1,))

    def count(weight, offset):
        weight = ops.reshape(ops.where(mask, weight, 0.0), (-1,))
        return ops.segment_sum(weight, segment + offset, num_segments=rows * (bins + 1))

    return ops.reshape(count(1.0 - share, 0) + count(share, 1), (rows, bins + 1))
