"""scikit-learn's 1,797 handwritten digits, turned: which digit, how thick, by what angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from lossforge.errors import RecipeError

SIDE = 16  # pixels of a picture, which shows 12 pixels of the original: corners stay inside
TEST, VALIDATION, VIEWS = 500, 300, 3
FINE = 4  # pixels of the measurement for one of the original


@dataclass(frozen=True)
class TurnedDigits:
    """Splits of `(pixels (B, 16, 16, 1) float32 in 0..1, targets)`, in batches.

    Targets are a dict: `digit` (B,) int32; `thickness` (B, 1) of the stroke, in per cent of the
    original's width; `angle` (B, 1) in turns, anticlockwise.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset


def load_turned_digits(
    seed: int = 0,
    *,
    most_degrees: float = 60.0,
    views: int = 16,
    batch_size: int = 64,
) -> TurnedDigits:
    """Draws the angles of the training digits; validation and test are the same for every seed.

    No digit is in two splits: 997 are trained on, 300 validate, 500 test.

    Args:
        seed: of the angles and of the order.
        most_degrees: angles are uniform between minus and plus this, up to 90.
        views: angles that each training digit is turned by.
        batch_size: examples in a batch.

    Raises:
        RecipeError: for numbers out of range.
    """
    for name, value, low, high in (
        ("most_degrees", most_degrees, 1, 90),
        ("views", views, 1, 100),
        ("batch_size", batch_size, 1, 500),
    ):
        if not isinstance(value, int | float) or not low <= value <= high:
            raise RecipeError(f"turned digits: {name} must be from {low} to {high}, got {value!r}.")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    pictures, labels = pixels[order].reshape(-1, 8, 8) / 16, labels[order]
    thickness = stroke_thickness(pictures)

    def split(which: slice, copies: int, entropy: list[int]) -> tuple[Any, Any]:
        repeated = np.repeat(np.arange(len(pictures))[which], copies)
        turns = np.random.default_rng(entropy).uniform(-1, 1, len(repeated)) * most_degrees / 360
        targets = {
            "digit": labels[repeated].astype("int32"),
            "thickness": thickness[repeated, None].astype("float32"),
            "angle": turns[:, None].astype("float32"),
        }
        return turned(pictures[repeated], turns)[..., None], targets

    train = split(slice(TEST + VALIDATION, None), views, [60, seed])
    batches = tf.data.Dataset.from_tensor_slices(train).shuffle(len(train[0]), seed=seed)
    held_out = [
        tf.data.Dataset.from_tensor_slices(split(which, VIEWS, [61])).batch(500)
        for which in (slice(TEST, TEST + VALIDATION), slice(0, TEST))
    ]
    return TurnedDigits(batches.batch(batch_size, drop_remainder=True), *held_out)


def turned(pictures: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(N, 16, 16) float32: each (8, 8) picture turned anticlockwise, by linear interpolation.

    >>> upright = turned(np.eye(8)[None], np.zeros(1))
    >>> quarter = turned(np.eye(8)[None], np.full(1, 0.25))
    >>> bool(np.allclose(quarter[0], np.rot90(upright[0]), atol=1e-6))
    True
    """
    from scipy import ndimage

    place = (np.arange(SIDE) + 0.5) / SIDE * 12 - 6
    down, right = np.meshgrid(place, place, indexing="ij")
    cosine, sine = (f(2 * np.pi * turns)[:, None, None] for f in (np.cos, np.sin))
    number = np.broadcast_to(np.arange(len(pictures))[:, None, None], (len(pictures), SIDE, SIDE))
    where = [number, cosine * down + sine * right + 3.5, -sine * down + cosine * right + 3.5]
    return ndimage.map_coordinates(pictures, where, order=1).astype("float32")


def stroke_thickness(pictures: np.ndarray) -> np.ndarray:
    """Twice the mean distance from the skeleton to the edge, in per cent of the picture's width.

    Source of the skeleton: Zhang and Suen 1984, A Fast Parallel Algorithm for Thinning Digital
    Patterns.

    >>> stroke = np.zeros((1, 8, 8))
    >>> stroke[0, :, 3:5] = 1.0
    >>> bool(22 < stroke_thickness(stroke)[0] < 28)
    True
    """
    from scipy import ndimage
    from skimage.morphology import skeletonize

    padded = np.pad(pictures, ((0, 0), (2, 2), (2, 2)))
    fine = ndimage.zoom(padded, (1, FINE, FINE), order=1, grid_mode=True, mode="grid-constant")
    found = []
    for ink in fine > 0.5:
        to_edge = ndimage.distance_transform_edt(ink)
        found.append(2 * to_edge[skeletonize(ink)].mean() / FINE)
    return 100 * np.array(found) / pictures.shape[-1]
