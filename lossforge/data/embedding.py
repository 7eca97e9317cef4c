"""Data for recognition and retrieval: P x K batches to learn from, and identities to be found."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow as tf

from lossforge.data.balanced_batches import balanced_batches, seed_pairs
from lossforge.data.identities import Identities, read_identities
from lossforge.data.image_views import Views
from lossforge.errors import RecipeError

SEEN_LARGER = 11 / 8  # pictures are kept this much larger than the views that are cut from them
EVALUATION_BATCH = 256
VIEW_SEED = 20070  # of the views of validation and test, which are the same in every training


@dataclasses.dataclass(frozen=True)
class EmbeddingData:
    """Three splits of `(images, labels)` in batches.

    images: (B, S, S, C) float32 in 0..255. labels: (B,) int32 identities.

    One pass over `train` is `steps_per_epoch` batches of P classes with K views each, others on
    each pass; labels are 0 .. `num_classes` - 1. `validation` and `test` are the same on each pass,
    with labels of their own: in an open-set split their identities are not among those of `train`.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    num_classes: int
    image_size: int
    channels: int


def load_embedding(
    data: str | os.PathLike = "photo_regions",
    *,
    image_size: int = 32,
    classes_per_batch: int = 32,
    examples_per_class: int = 4,
    steps_per_epoch: int = 100,
    views: Views | None = None,
    evaluation_views: int = 4,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> EmbeddingData:
    """Reads identities from any source (see `read_identities`) as P x K batches.

    Args:
        data: "photo_regions", "digits", "lfw_subset", a TFDS set such as "cars196", a folder with
            one sub-folder an identity, or a .npz file with images and labels.
        image_size: side S of the network's input in pixels.
        classes_per_batch: P.
        examples_per_class: K.
        steps_per_epoch: batches a pass.
        views: how training images vary; `Views()` by default.
        evaluation_views: images of an identity in validation and test, for sources with a single
            picture of each: random views that are the same in every training.
        seed: of the batches and of training views.
        data_dir: where TFDS sets are kept.

    Raises:
        RecipeError: for whatever the user can mend.
    """
    for name, value in (("image_size", image_size), ("evaluation_views", evaluation_views)):
        if not isinstance(value, int) or value < 1:
            raise RecipeError(f"{name} must be a whole number from 1, got {value!r}.")
    views = views or Views()
    splits = read_identities(data, round(image_size * SEEN_LARGER), data_dir)
    train = splits["train"]
    held_out = {
        split: _evaluation(splits[split], image_size, views, evaluation_views)
        for split in ("validation", "test")
    }
    batches = balanced_batches(
        train.labels, classes_per_batch, examples_per_class, steps_per_epoch, seed
    )
    images, labels = tf.constant(train.images), tf.constant(train.labels, tf.int32)

    def look(index: tf.Tensor, pair: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return views(tf.gather(images, index), image_size, pair), tf.gather(labels, index)

    seen = tf.data.Dataset.zip(batches, seed_pairs(seed + 2))
    return EmbeddingData(
        train=seen.map(look, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE),
        **held_out,
        num_classes=int(train.labels.max()) + 1,
        image_size=image_size,
        channels=train.images.shape[-1],
    )


def _evaluation(part: Identities, size: int, views: Views, copies: int) -> tf.data.Dataset:
    """Pictures as they are, scaled; or views, where no identity has a second picture."""
    labels = part.labels
    if len(np.unique(labels)) == len(labels):
        labels = np.repeat(labels, copies)
        images = _views_of(part.images, size, views, copies)
    else:
        images = scaled(part.images, size)
    pairs = (images, labels.astype("int32"))
    return tf.data.Dataset.from_tensor_slices(pairs).batch(EVALUATION_BATCH)


def _views_of(images: np.ndarray, size: int, views: Views, copies: int) -> np.ndarray:
    parts = []
    for start in range(0, len(images), EVALUATION_BATCH):
        part = np.repeat(images[start : start + EVALUATION_BATCH], copies, axis=0)
        parts.append(views(tf.constant(part), size, tf.constant([VIEW_SEED, start])).numpy())
    return np.concatenate(parts)


def scaled(images: np.ndarray, size: int) -> np.ndarray:
    """(N, size, size, C) float32 in 0..255 of uint8 pictures."""
    parts = [
        np.asarray(tf.image.resize(images[start : start + 1024], (size, size), antialias=True))
        for start in range(0, len(images), 1024)
    ]
    return np.concatenate(parts).clip(0.0, 255.0)


def stacked(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of a split as two arrays."""
    images, labels = zip(*((np.asarray(x), np.asarray(y)) for x, y in dataset), strict=True)
    return np.concatenate(images), np.concatenate(labels)
