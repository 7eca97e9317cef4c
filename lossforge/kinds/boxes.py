"""Boxes, upright and rotated, and what belongs to them."""

from __future__ import annotations

import numpy as np

from lossforge.kinds.kind import Kind


def _boxes(rng: np.random.Generator, batch: int) -> np.ndarray:
    corner = rng.uniform(0.0, 0.6, (batch, 3, 2))
    return np.concatenate([corner, corner + rng.uniform(0.1, 0.4, (batch, 3, 2))], axis=-1)


def _draw_rotated_boxes(rng, batch):
    def boxes():
        centre, sides = rng.uniform(0.0, 1.0, (batch, 3, 2)), rng.uniform(0.1, 0.5, (batch, 3, 2))
        return np.concatenate([centre, sides, rng.uniform(-3.0, 3.0, (batch, 3, 1))], axis=-1)

    return boxes(), boxes()


def _draw_tags(rng, batch):
    real = np.resize([[1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [1.0] * 4], (batch, 4))
    return real, rng.normal(size=(batch, 4, 2))


KINDS = (
    Kind(
        "boxes",
        "y_true, y_pred (batch, N, 4) x1 y1 x2 y2 of one unit, x1 <= x2 and y1 <= y2",
        lambda rng, batch: (_boxes(rng, batch), _boxes(rng, batch)),
        lambda y: y.copy(),
    ),
    Kind(
        "rotated_boxes",
        "y_true, y_pred (batch, N, 5) centre x, y, width, height of one unit, angle in radians",
        _draw_rotated_boxes,
        lambda y: y.copy(),
    ),
    Kind(
        "tags",
        "y_true (batch, N) 1 for objects, 0 for padding; y_pred (batch, N, P) tags of the P "
        "points of each object",
        _draw_tags,
        lambda y: np.broadcast_to(10.0 * np.arange(4.0)[:, None], (len(y), 4, 2)).copy(),
    ),
)
