"""What tensors a loss reads: the shapes in words, and how to draw examples of them.

NumPy only. Classifiers draw logits; the conformance kit turns them into probabilities for a loss
that reads those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way of reading targets and predictions.

    Args:
        name: as in `Loss.kinds`.
        reads: shapes, units and ranges in words.
        draw: (rng, batch) -> (y_true, y_pred) of ordinary difficulty.
        perfect: y_true -> the prediction that equals it (logits of 40 for classifiers).
        activation: "softmax", "sigmoid" or None: from logits to probabilities.
        extremes: numbers that predictions may take at worst (logits for classifiers).
    """

    name: str
    reads: str
    draw: Draw
    perfect: Callable[[np.ndarray], np.ndarray]
    activation: str | None = None
    extremes: tuple[float, ...] = (-1e4, -1.0, 0.0, 1.0, 1e4)


def _boxes(rng: np.random.Generator, batch: int) -> np.ndarray:
    corner = rng.uniform(0.0, 0.6, (batch, 3, 2))
    return np.concatenate([corner, corner + rng.uniform(0.1, 0.4, (batch, 3, 2))], axis=-1)


def _logits(y: np.ndarray) -> np.ndarray:
    return 80.0 * y - 40.0


def _draw_ids(rng, batch):
    return rng.integers(0, 5, batch), rng.normal(0.0, 2.0, (batch, 5))


def _draw_binary(rng, batch):
    return rng.integers(0, 2, (batch, 1)).astype(float), rng.normal(0.0, 2.0, (batch, 1))


def _draw_multilabel(rng, batch):
    return rng.integers(0, 2, (batch, 5)).astype(float), rng.normal(0.0, 2.0, (batch, 5))


def _draw_quality(rng, batch):
    quality = rng.uniform(0.0, 1.0, (batch, 5)) * rng.integers(0, 2, (batch, 5))
    return quality, rng.normal(0.0, 2.0, (batch, 5))


def _class_ids(batch: int) -> np.ndarray:
    """In six examples: a class of two, one of three, and one of a single member."""
    return np.resize([7, 7, 2, 2, 2, 4], batch)


def _draw_embedding(rng, batch):
    return _class_ids(batch), rng.normal(size=(batch, 4))


def _draw_cosine_logits(rng, batch):
    return rng.integers(0, 5, batch), rng.uniform(-0.9, 0.9, (batch, 5))


def _draw_mask(rng, batch):
    y_true = rng.integers(0, 2, (batch, 4, 5, 2)).astype(float)
    y_true[1::3, ..., 0] = 0.0  # an empty mask, and a full one
    y_true[2::3, ..., 1] = 1.0
    return y_true, rng.normal(0.0, 2.0, (batch, 4, 5, 2))


def _draw_class_mask(rng, batch):
    ids = rng.integers(0, 3, (batch, 4, 5))
    ids[1::3] %= 2  # the last class is absent
    return ids, rng.normal(0.0, 2.0, (batch, 4, 5, 3))


def _logit(q: np.ndarray) -> np.ndarray:
    q = np.clip(q, 1e-17, 1.0 - 1e-16)
    return np.log(q) - np.log1p(-q)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "binary",
            "y_true (batch, 1) in {0, 1}; y_pred (batch, 1) probabilities or logits",
            _draw_binary,
            _logits,
            "sigmoid",
        ),
        Kind(
            "multiclass",
            "y_true (batch,) class ids or (batch, C) one-hot; y_pred (batch, C)",
            _draw_ids,
            lambda ids: _logits(np.eye(5)[ids]),
            "softmax",
        ),
        Kind(
            "multilabel",
            "y_true (batch, C) in {0, 1}; y_pred (batch, C) independent probabilities or logits",
            _draw_multilabel,
            _logits,
            "sigmoid",
        ),
        Kind(
            "quality",
            "y_true (batch, C) qualities in [0, 1]; y_pred (batch, C) probabilities or logits",
            _draw_quality,
            _logit,
            "sigmoid",
        ),
        Kind(
            "regression",
            "y_true, y_pred (batch, D) real numbers of one unit",
            lambda rng, batch: (rng.normal(size=(batch, 4)), rng.normal(size=(batch, 4))),
            lambda y: y.copy(),
        ),
        Kind(
            "boxes",
            "y_true, y_pred (batch, N, 4) x1 y1 x2 y2 of one unit, x1 <= x2 and y1 <= y2",
            lambda rng, batch: (_boxes(rng, batch), _boxes(rng, batch)),
            lambda y: y.copy(),
        ),
        Kind(
            "embedding",
            "y_true (batch,) class ids; y_pred (batch, D) embeddings; a loss over the whole batch",
            _draw_embedding,
            lambda ids: 10.0 * np.eye(4)[np.unique(ids, return_inverse=True)[1]],
            extremes=(-1e4, -1.0, 0.0, 1e-20, 1e4),
        ),
        Kind(
            "cosine_logits",
            "y_true (batch,) class ids; y_pred (batch, C) cosines in [-1, 1], one a class",
            _draw_cosine_logits,
            lambda ids: 2.0 * np.eye(5)[ids] - 1.0,
            extremes=(-1.0, 0.0, 1.0, 1.000001),
        ),
        Kind(
            "mask",
            "y_true (batch, *spatial, C) in {0, 1}; y_pred alike, independent probabilities or "
            "logits; one spatial axis or more",
            _draw_mask,
            _logits,
            "sigmoid",
        ),
        Kind(
            "class_mask",
            "y_true (batch, *spatial) class ids or (batch, *spatial, C) one-hot; y_pred "
            "(batch, *spatial, C) probabilities or logits; one spatial axis or more",
            _draw_class_mask,
            lambda ids: _logits(np.eye(3)[ids]),
            "softmax",
        ),
    )
}


def kind_of(name: str) -> Kind:
    """The Kind of that name, or a ValueError with all names."""
    from lossforge.errors import unknown_name

    if name not in KINDS:
        raise ValueError(unknown_name("kind", name, KINDS))
    return KINDS[name]


def probabilities(kind: Kind, logits: np.ndarray) -> Any:
    """Logits of a classifier as the probabilities that its activation gives."""
    if kind.activation == "softmax":
        e = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
