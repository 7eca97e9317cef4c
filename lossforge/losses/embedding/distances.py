"""Distances between all rows of two matrices: O(B N) memory, a finite gradient everywhere.

Every matrix comes from one Gram product. Rows that float precision cannot tell apart have distance
0 and gradient 0, where the slope of the square root would be infinite.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


def pairwise(x: Any, y: Any = None, distance: str = "euclidean") -> Any:
    """The distance of every row of `x` (B, D) to every row of `y` (N, D): (B, N).

    Args:
        x: embeddings.
        y: others; None compares `x` with itself, with an exact 0 on the diagonal.
        distance: "euclidean"; "squared_euclidean"; "cosine", 1 - cos in [0, 2]; "chord", the
            Euclidean distance of the unit vectors, in [0, 2]; "snr", the variance of the
            difference over that of the row of `x` (Yuan et al. 2019, Signal-to-Noise Ratio: A
            Robust Distance Metric for Deep Metric Learning); "dot", minus the inner product;
            "manhattan"; "poincare", in the unit ball; "haversine", of (latitude, longitude).
    """
    return DISTANCES[distance](x, y)


def check_distance(loss: str, distance: str) -> str:
    if distance not in DISTANCES:
        names = ", ".join(repr(name) for name in DISTANCES)
        raise ValueError(f"{loss}: distance must be one of {names}, got {distance!r}.")
    return distance


def squared_euclidean(x: Any, y: Any = None) -> Any:
    """|x - y|^2, from rows centred on the mean of `x` so that less is lost to cancellation."""
    same = y is None
    centre = ops.stop_gradient(ops.sum(x, axis=0) / ops.cast(ops.shape(x)[0], x.dtype))
    x = x - centre
    y = x if same else y - centre
    dots = ops.matmul(x, ops.transpose(y))
    left = ops.sum(ops.square(x), axis=-1)
    right = left if same else ops.sum(ops.square(y), axis=-1)
    scale = left[:, None] + right[None, :]
    squared = scale - 2.0 * dots
    unresolved = squared <= 4.0 * _epsilon(x) * ops.stop_gradient(scale)
    if same:
        unresolved = ops.logical_or(unresolved, diagonal(x))
    return ops.where(unresolved, 0.0, squared)


def euclidean(x: Any, y: Any = None) -> Any:
    return safe_sqrt(squared_euclidean(x, y))


def chord(x: Any, y: Any = None) -> Any:
    return euclidean(unit(x), None if y is None else unit(y))


def cosine(x: Any, y: Any = None) -> Any:
    return 1.0 - cosine_similarity(x, y)


def cosine_similarity(x: Any, y: Any = None) -> Any:
    """Cosines; 0 with the zero vector."""
    x = unit(x)
    return ops.matmul(x, ops.transpose(x if y is None else unit(y)))


def snr(x: Any, y: Any = None) -> Any:
    """var(x - y) / var(x); two constant rows have distance 0."""
    x = _without_mean(x)
    squared = squared_euclidean(x, None if y is None else _without_mean(y))
    signal = ops.sum(ops.square(x), axis=-1)[:, None]
    return squared / ops.maximum(signal, 1e-12)


def dot(x: Any, y: Any = None) -> Any:
    """-x . y: the larger the product, the nearer."""
    return -ops.matmul(x, ops.transpose(x if y is None else y))


def manhattan(x: Any, y: Any = None) -> Any:
    """sum |x - y|, one coordinate at a time: no (B, N, D) array."""
    y = x if y is None else y

    def add(i, total):
        return total + ops.abs(ops.take(x, i, axis=1)[:, None] - ops.take(y, i, axis=1)[None, :])

    start = ops.zeros_like(x[:, :1] + ops.transpose(y[:, :1]))
    return ops.fori_loop(0, x.shape[-1], add, start)


def poincare(x: Any, y: Any = None) -> Any:
    """Hyperbolic distance in the unit ball (Nickel and Kiela 2017), written without arcosh:

    2 arsinh sqrt(|x - y|^2 / ((1 - |x|^2) (1 - |y|^2))); rows must be shorter than 1.
    """
    inside_x = _inside(x)[:, None]
    inside_y = (inside_x if y is None else _inside(y)[:, None])[:, 0][None, :]
    return 2.0 * ops.arcsinh(safe_sqrt(squared_euclidean(x, y) / (inside_x * inside_y)))


def haversine(x: Any, y: Any = None) -> Any:
    """Great-circle distance on the unit sphere of rows (latitude, longitude) in radians."""
    y = x if y is None else y
    latitude, longitude = (x[:, i][:, None] - y[:, i][None, :] for i in (0, 1))
    scale = ops.cos(x[:, 0])[:, None] * ops.cos(y[:, 0])[None, :]
    half = ops.square(ops.sin(0.5 * latitude)) + scale * ops.square(ops.sin(0.5 * longitude))
    sine = safe_sqrt(half)
    return 2.0 * ops.arctan2(sine, safe_sqrt(1.0 - half))


DISTANCES = {
    "euclidean": euclidean,
    "squared_euclidean": squared_euclidean,
    "cosine": cosine,
    "chord": chord,
    "snr": snr,
    "dot": dot,
    "manhattan": manhattan,
    "poincare": poincare,
    "haversine": haversine,
}


def unit(x: Any) -> Any:
    """Rows of length 1, however small they were; the zero vector stays zero, with gradient 0."""
    size = ops.stop_gradient(ops.max(ops.abs(x), axis=-1, keepdims=True))
    x = x / ops.where(size > 0, size, 1.0)
    squared = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x / ops.where(squared > 0, safe_sqrt(squared), 1.0)


def safe_sqrt(x: Any) -> Any:
    """The square root, with slope 0 at 0 and below."""
    positive = ops.logical_not(x <= 0)  # NaN stays NaN
    return ops.where(positive, ops.sqrt(ops.where(positive, x, 1.0)), 0.0)


def diagonal(x: Any) -> Any:
    """Boolean (B, B), True where a row meets itself."""
    rows = ops.arange(ops.shape(x)[0])
    return ops.equal(rows[:, None], rows[None, :])


def _inside(x: Any) -> Any:
    return ops.maximum(1.0 - ops.sum(ops.square(x), axis=-1), _epsilon(x))


def _without_mean(x: Any) -> Any:
    return x - ops.sum(x, axis=-1, keepdims=True) / x.shape[-1]


def _epsilon(x: Any) -> float:
    return float(np.finfo(keras.backend.standardize_dtype(x.dtype)).eps)
