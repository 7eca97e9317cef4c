"""Triplet losses over all triplets of a batch, without the cube of triplets in memory."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import check_distance, pairwise
from lossforge.losses.embedding.given import check_margin, hinge
from lossforge.losses.embedding.pairs import InBatch
from lossforge.ranges import Choice, Float

STRATEGIES = ("all", "semi-hard", "hard")


class Triplet(InBatch):
    """An example must be nearer to its own class than to any other, by a margin.

    With d the distance, a an anchor, p of its class and n of another:

        all          loss_a = mean over p and n of [d(a, p) - d(a, n) + margin]_+
        semi-hard    loss_a = mean over p of [d(a, p) - d(a, n_p) + margin]_+
                     n_p: the nearest n strictly farther than p; if none is, the farthest n
        hard         loss_a = [max_p d(a, p) - min_n d(a, n) + margin]_+

    `margin="soft"` puts log(1 + exp(.)) in place of [. + margin]_+. Memory is O(B^2) and time
    O(B^2 log B): negatives are sorted once an anchor. Semi-hard is FaceNet's, as in
    tensorflow-addons; the mean over pairs is taken for each anchor first, which is the same where
    classes are of equal size.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), taken as they are: FaceNet
        has them on the unit sphere, which `distance="chord"` sees to.
    Returns: (batch,), one value an anchor.
    Edges: an anchor without positive or without negative costs 0; equal embeddings have gradient 0.
    Source: Schroff et al. 2015, FaceNet: A Unified Embedding for Face Recognition and Clustering;
        "hard" and the soft margin: Hermans et al. 2017, In Defense of the Triplet Loss for Person
        Re-Identification.

    >>> float(Triplet(margin=1.0)([0, 0, 1], [[0.0], [1.0], [3.0]]))
    0.0
    >>> float(Triplet(margin=3.0, strategy="hard")([0, 0, 1], [[0.0], [1.0], [3.0]]))
    1.0

    Args:
        margin: >= 0, or "soft" (not with strategy="all").
        strategy: "all", "semi-hard" or "hard".
        distance: a name in `lossforge.losses.embedding.distances`.

    Raises:
        ValueError: for a negative margin or a strategy or distance that does not exist.
    """

    kinds = ("embedding",)
    source = "Schroff et al. 2015, FaceNet: A Unified Embedding for Face Recognition"
    search = {"margin": Float(0.05, 2.0, log=True), "strategy": Choice(STRATEGIES)}
    variants = (
        {},
        {"strategy": "all"},
        {"strategy": "all", "margin": 0.1, "distance": "chord"},
        {"strategy": "hard"},
        {"strategy": "hard", "margin": "soft"},
        {"margin": "soft", "distance": "cosine"},
        {"margin": 0.2, "distance": "squared_euclidean"},
    )

    def __init__(
        self,
        margin: float | str = 1.0,
        strategy: str = "semi-hard",
        distance: str = "euclidean",
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if strategy not in STRATEGIES:
            names = ", ".join(repr(s) for s in STRATEGIES)
            raise ValueError(f"Triplet: strategy must be one of {names}, got {strategy!r}.")
        if margin == "soft" and strategy == "all":
            raise ValueError("Triplet: margin='soft' needs strategy 'semi-hard' or 'hard'.")
        self.margin = check_margin("Triplet", margin)
        self.strategy = strategy
        self.distance = check_distance("Triplet", distance)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        d = pairwise(embeddings, distance=self.distance)
        if self.strategy == "all" and not isinstance(self.margin, str):
            return all_triplets(d, positive, negative, self.margin)
        if self.strategy == "hard":
            excess = pairs.max_where(positive, d) - pairs.min_where(negative, d)
            both = ops.logical_and(pairs.some(positive), pairs.some(negative))
            return ops.where(both, hinge(excess, self.margin), 0.0)
        excess = d - semi_hard_negatives(d, negative)
        valid = ops.logical_and(positive, pairs.some(negative)[:, None])
        return pairs.mean_where(valid, hinge(excess, self.margin))


def semi_hard_negatives(d: Any, negative: Any) -> Any:
    """For each pair (a, p): d(a, n) of the nearest negative farther than p, else the farthest."""
    to_negatives = ops.where(negative, d, float("inf"))
    order = ops.argsort(ops.stop_gradient(to_negatives), axis=-1)
    ascending = ops.stop_gradient(ops.take_along_axis(to_negatives, order, axis=-1))
    not_farther = pairs.search_rows(ascending, ops.stop_gradient(d), side="right")
    last = ops.sum(ops.cast(negative, "int32"), axis=-1, keepdims=True) - 1
    place = ops.maximum(ops.minimum(ops.cast(not_farther, "int32"), last), 0)
    column = ops.take_along_axis(order, ops.cast(place, order.dtype), axis=-1)
    return ops.take_along_axis(d, column, axis=-1)


def all_triplets(d: Any, positive: Any, negative: Any, margin: float) -> Any:
    """The mean hinge over all (p, n) of an anchor, from counts instead of triplets.

    The sum over triplets with d(a, p) + margin > d(a, n) is linear in the distances: each p enters
    as often as it has such n, each n as often as it has such p.
    """
    far = float("inf")
    reach = d + margin
    reaches = ops.stop_gradient(ops.sort(ops.where(positive, reach, far), axis=-1))
    negatives = ops.stop_gradient(ops.sort(ops.where(negative, d, far), axis=-1))
    d_now, reach_now = ops.stop_gradient(d), ops.stop_gradient(reach)
    inside = ops.cast(pairs.search_rows(negatives, reach_now, side="left"), d.dtype)
    positives = pairs.number(positive, d)
    below = ops.cast(pairs.search_rows(reaches, d_now, side="right"), d.dtype)
    outside = positives[:, None] - below
    middle = ops.stop_gradient(pairs.mean_where(negative, d))[:, None]  # cancels, keeps digits
    total = pairs.sum_where(positive, inside * (reach - middle))
    total = total - pairs.sum_where(negative, outside * (d - middle))
    triplets = ops.maximum(positives * pairs.number(negative, d), 1.0)
    return ops.relu(total) / triplets
