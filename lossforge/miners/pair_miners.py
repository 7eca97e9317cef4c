"""Miners: which of the pairs of a batch a loss should see.

A miner maps (embeddings, positive, negative) to (positive, negative), boolean (B, B) with an anchor
a row, and never adds a pair. `lossforge.Mined(loss, miner)` trains any in-batch loss on what it
leaves.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import check_distance, cosine_similarity, pairwise
from lossforge.losses.embedding.similarity import informative_pairs

INFINITY = float("inf")
MINERS: dict[str, type[Miner]] = {}


class Miner:
    """Base of miners. A subclass writes `mine` and stores its arguments under their own names."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        MINERS[cls.__name__] = cls
        keras.saving.register_keras_serializable(cls.__module__.split(".")[0])(cls)

    def __call__(self, labels: Any, embeddings: Any, counts: Any = None) -> tuple[Any, Any]:
        """(positive, negative) of a labelled batch; `counts` is False for examples to leave out."""
        labels = ops.convert_to_tensor(labels)
        embeddings = ops.convert_to_tensor(embeddings, dtype="float32")
        counts = ops.ones(ops.shape(labels)[:1], "bool") if counts is None else counts
        labels, counts = pairs.check_batch(
            type(self).__name__, labels, embeddings, ops.convert_to_tensor(counts, dtype="bool")
        )
        return self.mine(embeddings, *pairs.same_and_other(labels, counts))

    def mine(self, embeddings: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        raise NotImplementedError(f"{type(self).__name__} must define mine.")

    def get_config(self) -> dict[str, Any]:
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Miner:
        return cls(**config)


class BatchEasyHardMiner(Miner):
    """One positive and one negative an anchor: the easiest, the hardest, or in between.

    easy: the nearest positive, the farthest negative; hard: the farthest positive, the nearest
    negative; semi-hard: the nearest negative farther than the positive chosen (with positives
    "all", than the farthest). Hard with hard is batch-hard mining. Pairs at equal distance are all
    kept. An anchor without both keeps none.

    Source: Xuan et al. 2020, Improved Embeddings with Easy Positive Triplet Mining; batch-hard:
        Hermans et al. 2017, In Defense of the Triplet Loss for Person Re-Identification.

    >>> positive, negative = BatchEasyHardMiner()([0, 0, 1, 1], [[0.0], [1.0], [3.0], [9.0]])
    >>> keras.ops.convert_to_numpy(negative[0]).tolist()
    [False, False, True, False]

    Args:
        positives: "easy", "hard" or "all".
        negatives: "easy", "semi-hard", "hard" or "all".
        distance: a name in `lossforge.losses.embedding.distances`.
    """

    def __init__(
        self, positives: str = "hard", negatives: str = "hard", distance: str = "euclidean"
    ) -> None:
        if positives not in ("easy", "hard", "all"):
            raise ValueError(
                f"BatchEasyHardMiner: positives must be 'easy', 'hard' or 'all', got {positives!r}."
            )
        if negatives not in ("easy", "semi-hard", "hard", "all"):
            raise ValueError(
                "BatchEasyHardMiner: negatives must be 'easy', 'semi-hard', 'hard' or 'all', "
                f"got {negatives!r}."
            )
        self.positives, self.negatives = positives, negatives
        self.distance = check_distance("BatchEasyHardMiner", distance)

    def mine(self, embeddings: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        d = ops.stop_gradient(pairwise(embeddings, distance=self.distance))
        farthest = pairs.max_where(positive, d)[:, None]
        if self.positives == "hard":
            positive = ops.logical_and(positive, d >= farthest)
        elif self.positives == "easy":
            farthest = pairs.min_where(positive, d)[:, None]
            positive = ops.logical_and(positive, d <= farthest)
        if self.negatives == "semi-hard":
            negative = ops.logical_and(negative, d > farthest)
        if self.negatives in ("hard", "semi-hard"):
            negative = ops.logical_and(negative, d <= pairs.min_where(negative, d)[:, None])
        elif self.negatives == "easy":
            negative = ops.logical_and(negative, d >= pairs.max_where(negative, d)[:, None])
        return both_or_none(positive, negative)


class MultiSimilarityMiner(Miner):
    """Pairs that are not yet beyond the hardest pair of the other kind by epsilon.

    A negative with cos + epsilon > min cos of the positives, a positive with cos - epsilon < max
    cos of the negatives.

    Source: Wang et al. 2019, Multi-Similarity Loss with General Pair Weighting, equations 11, 12.

    >>> x = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]
    >>> positive, negative = MultiSimilarityMiner()([0, 0, 1], x)
    >>> bool(keras.ops.any(positive))
    False

    Args:
        epsilon: >= 0; the paper's 0.1.
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        self.epsilon = check_range("MultiSimilarityMiner", "epsilon", epsilon, 0.0)

    def mine(self, embeddings: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        return informative_pairs(cosine_similarity(embeddings), positive, negative, self.epsilon)


class PairMarginMiner(Miner):
    """Positives farther than one margin and negatives nearer than another.

    Source: the active pairs of Hadsell et al. 2006, Dimensionality Reduction by Learning an
        Invariant Mapping.

    >>> positive, negative = PairMarginMiner()([0, 0, 1], [[0.0], [1.0], [3.0]])
    >>> bool(keras.ops.any(positive)), bool(keras.ops.any(negative))
    (True, False)

    Args:
        positive_margin: >= 0.
        negative_margin: >= 0.
        distance: a name in `lossforge.losses.embedding.distances`.
    """

    def __init__(
        self,
        positive_margin: float = 0.2,
        negative_margin: float = 0.8,
        distance: str = "euclidean",
    ) -> None:
        name = "PairMarginMiner"
        self.positive_margin = check_range(name, "positive_margin", positive_margin, 0.0)
        self.negative_margin = check_range(name, "negative_margin", negative_margin, 0.0)
        self.distance = check_distance(name, distance)

    def mine(self, embeddings: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        d = ops.stop_gradient(pairwise(embeddings, distance=self.distance))
        far = ops.logical_and(positive, d > self.positive_margin)
        return far, ops.logical_and(negative, d < self.negative_margin)


class HardestShareMiner(Miner):
    """The hardest share of all positive pairs of the batch, and of all negative pairs.

    One level of hard-aware cascades. Of P pairs, ceil(keep P) stay, with those at equal distance.

    Source: Yuan et al. 2017, Hard-Aware Deeply Cascaded Embedding.

    >>> positive, negative = HardestShareMiner(keep=0.5)([0, 0, 1], [[0.0], [1.0], [3.0]])
    >>> keras.ops.convert_to_numpy(negative[1]).tolist()
    [False, False, True]

    Args:
        keep: share in (0, 1].
        distance: a name in `lossforge.losses.embedding.distances`.
    """

    def __init__(self, keep: float = 0.5, distance: str = "euclidean") -> None:
        self.keep = check_range("HardestShareMiner", "keep", keep, 1e-6, 1.0)
        self.distance = check_distance("HardestShareMiner", distance)

    def mine(self, embeddings: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        d = ops.stop_gradient(pairwise(embeddings, distance=self.distance))
        return self._largest(positive, d), self._largest(negative, -d)

    def _largest(self, mask: Any, x: Any) -> Any:
        ranked = ops.sort(ops.reshape(ops.where(mask, x, -INFINITY), (-1,)))
        there = ops.sum(ops.cast(mask, "int32"))
        keep = ops.cast(ops.ceil(self.keep * ops.cast(there, x.dtype) - 1e-4), "int32")
        place = ops.minimum(ops.size(ranked) - keep, ops.size(ranked) - 1)
        return ops.logical_and(mask, x >= ops.take(ranked, place))


class DistanceWeightedMiner(Miner):
    """Negatives drawn evenly over their distance, in place of the many that lie at sqrt(2).

    On the unit sphere in D dimensions distances have density q(d) ~ d^(D-2) (1 - d^2/4)^((D-3)/2).
    Each anchor draws as many negatives as it has positives, at least one, without putting any
    back, with weight 1 / q(max(d, cutoff)). In log space throughout: 1 / q overflows in high D.

    Source: Wu et al. 2017, Sampling Matters in Deep Embedding Learning, equations 2 and 3.

    >>> x = [[1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [0.8, 0.6, 0.0], [-1.0, 0.0, 0.0]]
    >>> positive, negative = DistanceWeightedMiner()([0, 0, 1, 1], x)
    >>> keras.ops.convert_to_numpy(negative[0]).tolist()
    [False, False, True, False]

    Args:
        cutoff: distances below count as this, in (0, 1.4]; the paper's 0.5.
        farthest: negatives beyond are not drawn, in (0, 2]; 1.4 as in the authors' code.
        seed: of the draws, or None.
    """

    def __init__(self, cutoff: float = 0.5, farthest: float = 1.4, seed: int | None = None) -> None:
        self.cutoff = check_range("DistanceWeightedMiner", "cutoff", cutoff, 1e-3, 1.4)
        self.farthest = check_range("DistanceWeightedMiner", "farthest", farthest, 1e-3, 2.0)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def mine(self, embeddings: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        d = ops.stop_gradient(pairwise(embeddings, distance="chord"))
        size = embeddings.shape[-1]
        candidates = ops.logical_and(negative, d < self.farthest)
        d = ops.clip(d, self.cutoff, 1.999)
        log_q = (size - 2.0) * ops.log(d) + 0.5 * (size - 3.0) * ops.log(1.0 - 0.25 * d * d)
        # The largest of log weight + Gumbel noise are a weighted draw without replacement.
        noise = keras.random.uniform(ops.shape(d), 1e-6, 1.0 - 1e-6, d.dtype, self.generator)
        keys = ops.where(candidates, -log_q - ops.log(-ops.log(noise)), -INFINITY)
        ranked = ops.sort(keys, axis=-1)
        wanted = ops.maximum(ops.sum(ops.cast(positive, "int32"), axis=-1, keepdims=True), 1)
        last = ops.take_along_axis(ranked, ops.shape(d)[1] - wanted, axis=-1)
        drawn = ops.logical_and(candidates, keys >= last)
        return both_or_none(positive, drawn)


class RandomMiner(Miner):
    """One positive and one negative an anchor, at random: what mining is measured against.

    Every pair is as likely as any other; draws do not depend on the embeddings. An anchor without
    both keeps none.

    Source: the random baseline of Schroff et al. 2015, FaceNet.

    >>> positive, negative = RandomMiner()([0, 0, 1, 1], [[0.0], [1.0], [3.0], [9.0]])
    >>> keras.ops.convert_to_numpy(keras.ops.sum(keras.ops.cast(negative, "int32"), 1)).tolist()
    [1, 1, 1, 1]

    Args:
        seed: of the draws, or None.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def mine(self, embeddings: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
        return both_or_none(self._one(positive), self._one(negative))

    def _one(self, mask: Any) -> Any:
        noise = keras.random.uniform(ops.shape(mask), 0.0, 1.0, "float32", self.generator)
        return ops.logical_and(mask, noise >= pairs.max_where(mask, noise)[:, None])


def both_or_none(positive: Any, negative: Any) -> tuple[Any, Any]:
    """Without the pairs of anchors that lack one kind."""
    both = ops.logical_and(pairs.some(positive), pairs.some(negative))[:, None]
    return ops.logical_and(positive, both), ops.logical_and(negative, both)
