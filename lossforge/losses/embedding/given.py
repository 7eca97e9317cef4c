"""Pairs and triplets that the data already holds, such as the towers of a Siamese network."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.embedding.distances import safe_sqrt, unit
from lossforge.ranges import Choice, Float


class GivenPairs(Loss):
    """Contrastive loss of pairs whose distance the model outputs.

        loss = 1/2 mean of y d^2 + (1 - y) [margin - d]_+^2

    y is 1 for two of a kind, as in tensorflow-addons; the paper's Y is 1 - y.

    Reads: y_true: (batch,) or (batch, P) in {0, 1}; y_pred: distances (batch, P), >= 0.
    Returns: (batch,).
    Source: Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping,
        equation 4.

    >>> float(GivenPairs()([[1.0], [0.0]], [[0.0], [2.0]]))
    0.0

    Args:
        margin: from where on two kinds are far enough, >= 0.
    """

    kinds = ("pair_distance",)
    source = "Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping"
    search = {"margin": Float(0.2, 2.0)}
    variants = ({}, {"margin": 2.5})

    def __init__(self, margin: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("GivenPairs", "margin", margin, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape) - 1:
            y_true = ops.expand_dims(y_true, axis=-1)
        same = ops.cast(y_true, y_pred.dtype)
        push = ops.square(ops.relu(self.margin - y_pred))
        values = same * ops.square(y_pred) + (1.0 - same) * push
        return 0.5 * ops.sum(values, axis=-1) / y_pred.shape[-1]


class GivenTriplets(Loss):
    """Triplet loss of an anchor, a positive and a negative that the data brings.

        loss = [d(a, p) - d(a, n) + margin]_+,      "soft": log(1 + exp(d(a, p) - d(a, n)))
        swap: the nearer of d(a, n) and d(p, n) in place of d(a, n)

    Reads: y_pred: (batch, 3, D), anchor, positive and negative stacked; y_true: (batch,) of
        anything, which is not read.
    Returns: (batch,).
    Edges: equal embeddings have distance 0 and gradient 0.
    Source: Schroff et al. 2015, FaceNet: A Unified Embedding for Face Recognition; swap: Balntas
        et al. 2016, Learning Local Feature Descriptors with Triplets and Shallow Convolutional
        Neural Networks.

    >>> float(GivenTriplets()([0], [[[0.0], [1.0], [1.5]]]))
    0.5

    Args:
        margin: >= 0, or "soft".
        distance: "euclidean", "squared_euclidean" or "chord", Euclidean between unit vectors.
        swap: whether the negative may be compared with the positive.
    """

    kinds = ("triplets",)
    source = "Schroff et al. 2015, FaceNet: A Unified Embedding for Face Recognition"
    search = {"margin": Float(0.05, 2.0, log=True), "swap": Choice((False, True))}
    variants = (
        {},
        {"swap": True},
        {"margin": "soft", "distance": "squared_euclidean"},
        {"margin": 0.3, "distance": "chord"},
    )

    def __init__(
        self,
        margin: float | str = 1.0,
        distance: str = "euclidean",
        swap: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.margin = check_margin("GivenTriplets", margin)
        if distance not in ("euclidean", "squared_euclidean", "chord"):
            raise ValueError(
                "GivenTriplets: distance must be 'euclidean', 'squared_euclidean' or 'chord', "
                f"got {distance!r}."
            )
        self.distance = distance
        self.swap = bool(swap)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_pred.shape) != 3 or y_pred.shape[1] != 3:
            raise ValueError(
                f"GivenTriplets reads predictions (batch, 3, D), got {tuple(y_pred.shape)}."
            )
        x = unit(y_pred) if self.distance == "chord" else y_pred
        anchor, positive, negative = x[:, 0], x[:, 1], x[:, 2]
        far = self._distance(anchor, negative)
        if self.swap:
            far = ops.minimum(far, self._distance(positive, negative))
        excess = self._distance(anchor, positive) - far
        return hinge(excess, self.margin)

    def _distance(self, a: Any, b: Any) -> Any:
        squared = ops.sum(ops.square(a - b), axis=-1)
        return squared if self.distance == "squared_euclidean" else safe_sqrt(squared)


def check_margin(loss: str, margin: float | str) -> float | str:
    """A number >= 0, or "soft"."""
    if isinstance(margin, str):
        if margin != "soft":
            raise ValueError(f"{loss}: margin must be a number >= 0 or 'soft', got {margin!r}.")
        return margin
    return check_range(loss, "margin", margin, 0.0)


def hinge(excess: Any, margin: float | str) -> Any:
    """[excess + margin]_+, or the soft one, log(1 + exp(excess))."""
    return ops.softplus(excess) if isinstance(margin, str) else ops.relu(excess + margin)
