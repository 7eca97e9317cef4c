"""Pairs of views of pictures without labels, and labelled pictures to probe what was learnt."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import tensorflow as tf

from lossforge.data.balanced_batches import seed_pairs
from lossforge.data.embedding import EVALUATION_BATCH, SEEN_LARGER, scaled
from lossforge.data.identities import read_identities
from lossforge.data.image_views import Views
from lossforge.errors import RecipeError


@dataclasses.dataclass(frozen=True)
class TwoViewData:
    """Views to learn from, and labelled pictures.

    `train` gives `(views, nothing)`: (B, 2, S, S, C) float32 in 0..255, two random views of each
    picture, in another order and of other views on each pass, and zeros (B,) int32 as the target.
    `validation` and `test` give `(images, labels)`; `labelled` is `(images, labels)` of all
    training pictures, for a probe.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    labelled: tuple[np.ndarray, np.ndarray]
    image_size: int
    channels: int


def load_two_views(
    data: str | os.PathLike = "digits",
    *,
    image_size: int = 16,
    batch_size: int = 128,
    views: Views | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> TwoViewData:
    """Reads labelled pictures (see `read_identities`); training sees no label.

    Args:
        data: a source whose classes are in every split, such as "digits": the probe must know
            the classes that it is asked for.
        image_size: side of the network's input in pixels.
        batch_size: pictures a batch, of two views each.
        views: how views vary; `Views()` by default.
        seed: of the order and the views.
        data_dir: where TFDS sets are kept.

    Raises:
        RecipeError: for a source that can't be read, has fewer pictures than a batch, or tests on
            classes that it does not train.
    """
    views = views or Views()
    splits = read_identities(data, round(image_size * SEEN_LARGER), data_dir)
    train = splits["train"]
    count = len(train.images)
    if not 2 <= batch_size <= count:
        raise RecipeError(f"batch_size must lie between 2 and the {count} pictures of {data}.")
    for split in ("validation", "test"):
        if set(splits[split].labels) - set(train.labels) or splits[split].names != train.names:
            raise RecipeError(
                f"data={data} has classes in {split} that are not in train, so that no probe can "
                "know them; use a closed set such as digits."
            )
    images = tf.constant(train.images)

    def look(index: tf.Tensor, pair: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        index = tf.ensure_shape(index, (batch_size,))
        pictures = tf.gather(images, tf.repeat(index, 2))
        both = views(
            tf.ensure_shape(pictures, (2 * batch_size, *images.shape[1:])), image_size, pair
        )
        shape = (batch_size, 2, *both.shape[1:])
        return tf.reshape(both, shape), tf.zeros((batch_size,), tf.int32)

    order = tf.data.Dataset.range(count).shuffle(count, seed).batch(batch_size, drop_remainder=True)
    held_out = {}
    for split in ("validation", "test"):
        pictures, labels = splits[split].images, splits[split].labels.astype("int32")
        pairs = tf.data.Dataset.from_tensor_slices((scaled(pictures, image_size), labels))
        held_out[split] = pairs.batch(EVALUATION_BATCH)
    seen = tf.data.Dataset.zip(order, seed_pairs(seed))
    return TwoViewData(
        train=seen.map(look, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE),
        **held_out,
        labelled=(scaled(train.images, image_size), train.labels),
        image_size=image_size,
        channels=train.images.shape[-1],
    )
