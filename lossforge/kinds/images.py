"""Images, and maps over an image: masks, heat maps, features, displacements."""

from __future__ import annotations

import numpy as np

from lossforge.kinds.kind import Kind, logits_of


def _draw_mask(rng, batch):
    y_true = rng.integers(0, 2, (batch, 4, 5, 2)).astype(float)
    y_true[1::3, ..., 0] = 0.0  # an empty mask, and a full one
    y_true[2::3, ..., 1] = 1.0
    return y_true, rng.normal(0.0, 2.0, (batch, 4, 5, 2))


def _draw_class_mask(rng, batch):
    ids = rng.integers(0, 3, (batch, 4, 5))
    ids[1::3] %= 2  # the last class is absent
    return ids, rng.normal(0.0, 2.0, (batch, 4, 5, 3))


def _draw_image(rng, batch):
    y_true = rng.uniform(0.2, 0.8, (batch, 8, 6, 3))
    return y_true, y_true + rng.uniform(-0.19, 0.19, y_true.shape)


def _draw_teacher_features(rng, batch):
    return rng.normal(size=(batch, 3, 2, 4)), rng.normal(size=(batch, 3, 2, 4))


def _draw_heat_map(rng, batch):
    rows, columns = np.mgrid[0:4, 0:5]
    centre = rng.integers(0, 4, (batch, 2, 1, 1, 2))
    away = (rows - centre[..., 0]) ** 2 + (columns - centre[..., 1]) ** 2
    y_true = np.moveaxis(np.exp(-0.5 * away), 1, -1)
    y_true[1::3, ..., 0] *= 0.7  # a map without a peak
    return y_true, rng.normal(0.0, 2.0, (batch, 4, 5, 2))


def _draw_disparity(rng, batch):
    return rng.uniform(size=(batch, 4, 5, 3)), rng.uniform(0.1, 1.0, (batch, 4, 5, 1))


KINDS = (
    Kind(
        "image",
        "y_true, y_pred (batch, height, width, channels) images in [0, 1]",
        _draw_image,
        lambda y: y.copy(),
        extremes=(0.0, 1.0, -1e4, 1e4),
    ),
    Kind(
        "image_alone",
        "y_pred (batch, height, width, channels) images in [0, 1]; y_true is not read",
        _draw_image,
        lambda y: np.full_like(y, 0.5),
        extremes=(0.0, 1.0, -1e4, 1e4),
    ),
    Kind(
        "mask",
        "y_true (batch, *spatial, C) in {0, 1}; y_pred alike, independent probabilities or "
        "logits; one spatial axis or more",
        _draw_mask,
        logits_of,
        "sigmoid",
    ),
    Kind(
        "class_mask",
        "y_true (batch, *spatial) class ids or (batch, *spatial, C) one-hot; y_pred "
        "(batch, *spatial, C) probabilities or logits; one spatial axis or more",
        _draw_class_mask,
        lambda ids: logits_of(np.eye(3)[ids]),
        "softmax",
    ),
    Kind(
        "heat_map",
        "y_true (batch, H, W, C) in [0, 1], 1 at peaks; y_pred (batch, H, W, C) probabilities "
        "or logits",
        _draw_heat_map,
        lambda y: logits_of((y == 1.0).astype(float)),
        "sigmoid",
    ),
    Kind(
        "teacher_features",
        "y_true (batch, height, width, C) features of a teacher, y_pred of its student",
        _draw_teacher_features,
        lambda y: y.copy(),
    ),
    Kind(
        "displacement",
        "y_pred (batch, *spatial, D) displacements in pixels; y_true is not read",
        lambda rng, batch: (np.zeros((batch, 5, 4, 2)), rng.normal(size=(batch, 5, 4, 2))),
        lambda y: y.copy(),
    ),
    Kind(
        "disparity",
        "y_true (batch, H, W, C) images; y_pred (batch, H, W, 1) inverse depth",
        _draw_disparity,
        lambda y: np.ones((*y.shape[:3], 1)),
    ),
)
