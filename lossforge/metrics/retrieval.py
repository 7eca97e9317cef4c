"""How well nearest neighbours are of the same identity: recall at K, R-precision, MAP@R."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

TIE = 1e-6  # cosines nearer than this are equal in float32
CHUNK_BYTES = 2**27


def retrieval_metrics(
    queries: Any,
    query_labels: Any,
    references: Any = None,
    reference_labels: Any = None,
    ks: Sequence[int] = (1, 5),
    chunk: int | None = None,
) -> dict[str, float]:
    """Recall@K, precision@1, R-precision and MAP@R by cosine similarity.

        recall@k      share of queries with one of their identity among the k nearest
        r_precision   share of their identity among the R nearest, R: how many there are of it
        map@r         mean over i = 1..R of precision@i where the i-th is of the identity, else 0

    Each a mean over queries whose identity is among the references. Without references every
    query is searched among the others. A tie counts against the model: of cosines within 1e-6 of
    each other those of another identity come first, so that embeddings that are all equal score 0
    and not by luck.

    Args:
        queries: (Q, D) embeddings, of any length.
        query_labels: (Q,) identities.
        references: (N, D), or None: the queries themselves, each left out of its own search.
        reference_labels: (N,).
        ks: the K of recall.
        chunk: queries compared at a time; by default as many as fit in 128 MiB of similarities.

    Returns: "recall@<k>" for each k, "precision@1" (equal to recall@1), "r_precision", "map@r",
        each in [0, 1]; NaN where no query has a reference of its identity.

    Raises:
        ValueError: for shapes that do not fit or embeddings that are not finite.

    Source: Musgrave, Belongie and Lim 2020, A Metric Learning Reality Check (MAP@R, R-precision);
        Jegou, Douze and Schmid 2011, Product Quantization for Nearest Neighbor Search (recall@K).

    >>> retrieval_metrics([[1, 0], [1, 0.1], [0, 1]], [0, 0, 1], ks=(1,))["recall@1"]
    1.0
    """
    alone = references is None
    queries, query_labels = checked("queries", queries, query_labels)
    if alone:
        references, reference_labels = queries, query_labels
    else:
        references, reference_labels = checked("references", references, reference_labels)
    found, dense = np.unique(np.concatenate([query_labels, reference_labels]), return_inverse=True)
    query_labels, reference_labels = dense[: len(queries)], dense[len(queries) :]
    sizes = np.bincount(reference_labels, minlength=len(found))[query_labels] - int(alone)
    names = [f"recall@{k}" for k in ks] + ["precision@1", "r_precision", "map@r"]
    asked = np.flatnonzero(sizes > 0)
    if not len(asked):
        return dict.fromkeys(names, float("nan"))
    depth = min(max(int(sizes.max()), *ks), len(references) - int(alone))
    chunk = chunk or max(1, CHUNK_BYTES // (4 * len(references)))
    total = np.zeros(len(names))
    for start in range(0, len(asked), chunk):
        rows = asked[start : start + chunk]
        similar = queries[rows] @ references.T
        match = query_labels[rows][:, None] == reference_labels[None, :]
        similar[match] -= TIE
        if alone:
            similar[np.arange(len(rows)), rows] = -np.inf
        total += _summed(_ranked(similar, match, depth), sizes[rows], ks)
    return {name: float(value) for name, value in zip(names, total / len(asked), strict=True)}


def checked(name: str, embeddings: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows in float32, and labels; the zero vector stays zero."""
    embeddings = np.asarray(embeddings, dtype="float32")
    labels = np.asarray(labels).reshape(-1)
    if embeddings.ndim != 2 or len(embeddings) != len(labels):
        raise ValueError(
            f"{name} must be (N, D) with one label each, got {embeddings.shape} and "
            f"{labels.shape} labels."
        )
    bad = int(np.sum(~np.isfinite(embeddings).all(axis=1)))
    if bad:
        raise ValueError(
            f"{bad} of {len(embeddings)} {name} are not finite: the network has diverged, or an "
            "image holds NaN."
        )
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(length > 0, length, 1.0), labels


def _ranked(similar: np.ndarray, match: np.ndarray, depth: int) -> np.ndarray:
    """Whether the nearest, the second nearest, ... `depth`-th nearest is of the identity."""
    nearest = _nearest(similar, depth)
    order = np.argsort(-np.take_along_axis(similar, nearest, axis=1), axis=1, kind="stable")
    return np.take_along_axis(match, np.take_along_axis(nearest, order, axis=1), axis=1)


def _nearest(similar: np.ndarray, depth: int) -> np.ndarray:
    """(queries, depth) columns of the largest similarities, in any order."""
    count = similar.shape[1]
    if depth == count:
        return np.broadcast_to(np.arange(count), similar.shape)
    # Values are parted several times faster than their places, which ties alone need.
    least = np.partition(similar, count - depth, axis=1)[:, count - depth]
    among = similar >= least[:, None]
    if np.count_nonzero(among) == depth * len(similar):
        return np.nonzero(among)[1].reshape(-1, depth)
    return np.argpartition(similar, count - depth, axis=1)[:, count - depth :]


def _summed(right: np.ndarray, sizes: np.ndarray, ks: Sequence[int]) -> np.ndarray:
    """Each metric summed over the queries of a chunk; `right` (queries, depth)."""
    recalls = [right[:, :k].any(axis=1).sum() for k in ks]
    place = np.arange(1, right.shape[1] + 1)
    counted = right & (place <= sizes[:, None])
    precision = np.cumsum(right, axis=1) / place
    r_precision = (counted.sum(axis=1) / sizes).sum()
    map_at_r = ((precision * counted).sum(axis=1) / sizes).sum()
    return np.array([*recalls, right[:, 0].sum(), r_precision, map_at_r], dtype="float64")
