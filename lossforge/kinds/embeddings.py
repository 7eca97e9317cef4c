"""Embeddings, and distances or cosines made from them."""

from __future__ import annotations

import numpy as np

from lossforge.kinds.kind import Kind


def _class_ids(batch: int) -> np.ndarray:
    """In six examples: a class of two, one of three, and one of a single member."""
    return np.resize([7, 7, 2, 2, 2, 4], batch)


def _draw_embedding(rng, batch):
    return _class_ids(batch), rng.normal(size=(batch, 4))


def _draw_cosine_logits(rng, batch):
    return rng.integers(0, 5, batch), rng.uniform(-0.9, 0.9, (batch, 5))


def _draw_label_sets(rng, batch):
    sets = [[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
    return np.resize(sets, (batch, 4)), rng.normal(size=(batch, 4))


def _draw_views(rng, batch):
    """Views of examples that are at right angles to each other, and views of others."""
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    return 2.0 * np.resize(basis, (batch, 8)), rng.normal(size=(batch, 8))


def _draw_cosine_logits_and_length(rng, batch):
    ids, cosines = _draw_cosine_logits(rng, batch)
    return ids, np.concatenate([cosines, rng.uniform(12.0, 60.0, (batch, 1))], axis=-1)


KINDS = (
    Kind(
        "embedding",
        "y_true (batch,) class ids; y_pred (batch, D) embeddings; a loss over the whole batch",
        _draw_embedding,
        lambda ids: 10.0 * np.eye(4)[np.unique(ids, return_inverse=True)[1]],
        extremes=(-1e4, -1.0, 0.0, 1e-20, 1e4),
    ),
    Kind(
        "label_sets",
        "y_true (batch, L) in {0, 1}, the labels of each example; y_pred (batch, D) embeddings; "
        "a loss over the whole batch",
        _draw_label_sets,
        lambda y: 10.0 * y,
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
        "cosine_logits_and_length",
        "y_true (batch,) class ids; y_pred (batch, C + 1) cosines, then a length > 0",
        _draw_cosine_logits_and_length,
        lambda ids: np.concatenate([2.0 * np.eye(5)[ids] - 1.0, np.full((len(ids), 1), 110.0)], 1),
        extremes=(-1.0, 0.0, 1.0, 1.000001),
    ),
    Kind(
        "pair_distance",
        "y_true (batch, P) 1 for two of a kind, else 0; y_pred (batch, P) distances >= 0",
        lambda rng, batch: (
            rng.integers(0, 2, (batch, 2)).astype(float),
            rng.uniform(0.1, 2.0, (batch, 2)),
        ),
        lambda y: 4.0 * (1.0 - y),
        extremes=(0.0, 1.0, 1e4),
    ),
    Kind(
        "triplets",
        "y_true (batch,), not read; y_pred (batch, 3, D) anchor, positive and negative",
        lambda rng, batch: (np.zeros(batch), rng.normal(size=(batch, 3, 3))),
        lambda y: np.tile([[[0.0, 0, 9], [0, 0, 9], [9, 0, 0]]], (len(y), 1, 1)),
    ),
    Kind(
        "class_distances",
        "y_true (batch,) class ids; y_pred (batch, C) squared distances, one a class",
        lambda rng, batch: (rng.integers(0, 5, batch), rng.uniform(0.1, 4.0, (batch, 5))),
        lambda ids: 4.0 * (1.0 - np.eye(5)[ids]),
        extremes=(0.0, 1.0, 1e8),
    ),
    Kind(
        "spread",
        "y_true (batch,) not used; y_pred (batch, D) embeddings; a loss over the whole batch",
        lambda rng, batch: (np.arange(batch), rng.normal(size=(batch, 4))),
        lambda y: np.concatenate([np.eye(4)[:3], -np.eye(4)[:3]])[np.arange(len(y)) % 6],
        extremes=(-1e4, -1.0, 0.0, 1e-20, 1e4),
    ),
    Kind(
        "views",
        "y_true (batch, D) embeddings of one view of each example, y_pred (batch, D) of the "
        "other; a loss over the whole batch",
        _draw_views,
        lambda y: y.copy(),
        extremes=(-1e4, -1.0, 0.0, 1e-20, 1e4),
    ),
)
