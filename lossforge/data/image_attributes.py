"""Pictures with vectors that describe them: what is measured of colour, light and texture."""

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

DIRECTIONS = 6  # of gradients, over half a turn
ATTRIBUTES = (
    "lightness",
    "green to red",
    "blue to yellow",
    "spread of lightness",
    "spread of green to red",
    "spread of blue to yellow",
    "top lighter than bottom",
    "middle lighter than border",
    "fine texture",
    "coarse texture",
    *(f"gradients at {180 * n // DIRECTIONS} degrees" for n in range(DIRECTIONS)),
)


def measured_attributes(images: np.ndarray) -> np.ndarray:
    """What can be said of a picture in numbers, as a person would: light, colours, texture.

    Means and standard deviations in CIE L*a*b*; differences of lightness; the mean size of
    lightness's gradient at two scales (as it is, and after halving twice); and the shares of that
    gradient that lie along each of six directions, which sum to 1 (0 without any edge). None
    depends on which side of the picture is left, but for the directions of gradients.

    Args:
        images: (N, S, S, 3), 0..255, S at least 8.

    Returns: (N, 16) float32, in the order of `ATTRIBUTES`.

    >>> grey = np.full((1, 8, 8, 3), 119, "uint8")
    >>> np.abs(measured_attributes(grey)[0, :3]).round().tolist()
    [50.0, 0.0, 0.0]
    """
    from skimage.color import rgb2lab

    lab = rgb2lab(np.asarray(images, "float32") / 255.0)
    light = lab[..., 0]
    half, quarter = light.shape[1] // 2, light.shape[1] // 4
    inner = light[:, quarter:-quarter, quarter:-quarter]
    border = light.sum((1, 2)) - inner.sum((1, 2))
    border /= light[0].size - inner[0].size
    fine, shares = _edges(light)
    found = [
        lab.mean((1, 2)),
        lab.std((1, 2)),
        light[:, :half].mean((1, 2)) - light[:, -half:].mean((1, 2)),
        inner.mean((1, 2)) - border,
        fine,
        _edges(_halved(_halved(light)))[0],
        shares,
    ]
    return np.concatenate([v[:, None] if v.ndim == 1 else v for v in found], 1).astype("float32")


def _edges(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean size of the gradient (N,), and the share of it along each direction (N, 6)."""
    down, right = np.gradient(light, axis=(1, 2))
    size = np.hypot(down, right)
    turn = np.mod(np.arctan2(down, right) / np.pi, 1.0)  # of the gradient, either way round
    bins = np.round(turn * DIRECTIONS).astype(int) % DIRECTIONS
    along = np.stack([(size * (bins == n)).sum((1, 2)) for n in range(DIRECTIONS)], axis=1)
    total = along.sum(axis=1, keepdims=True)
    return size.mean((1, 2)), along / np.where(total > 0, total, 1.0)


def _halved(light: np.ndarray) -> np.ndarray:
    count, height, width = light.shape
    cells = light[:, : height // 2 * 2, : width // 2 * 2].reshape(
        count, height // 2, 2, width // 2, 2
    )
    return cells.mean((2, 4))


@dataclasses.dataclass(frozen=True)
class ImageAttributes:
    """Pictures and vectors in pairs.

    `train` gives `((images, attributes), nothing)`: random views (B, S, S, 3) float32 in 0..255 of
    pictures in another order on each pass, the attributes (B, A) float32 of each whole picture,
    and zeros (B,) int32 as the target. `validation` and `test` give `(images, attributes)`, whole
    pictures. `mean` and `deviation` (A,) are of the training attributes.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    mean: np.ndarray
    deviation: np.ndarray
    image_size: int


def load_image_attributes(
    data: str | os.PathLike = "photo_regions",
    *,
    image_size: int = 32,
    batch_size: int = 128,
    views: Views | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> ImageAttributes:
    """Reads pictures of any source (see `read_identities`) and measures what is said of them.

    Args:
        data: a source of colour pictures, such as "photo_regions" or a folder.
        image_size: side of the network's input in pixels.
        batch_size: pairs a batch.
        views: how training pictures vary; the default keeps colour and light nearly as they are,
            since the attributes tell of them.
        seed: of the order and the views.
        data_dir: where TFDS sets are kept.

    Raises:
        RecipeError: for a source that can't be read, is grey, or has fewer pictures than a batch.
    """
    views = views or Views(least_crop=0.8, flip=False, brightness=4, contrast=0.05, colour=0.02)
    splits = read_identities(data, round(image_size * SEEN_LARGER), data_dir)
    pictures = splits["train"].images
    if pictures.shape[-1] != 3:
        raise RecipeError(f"data={data} is grey; its colours can't be measured.")
    if not 2 <= batch_size <= len(pictures):
        raise RecipeError(
            f"batch_size must lie between 2 and the {len(pictures)} pictures of {data}, "
            f"got {batch_size!r}."
        )
    described = {split: measured_attributes(part.images) for split, part in splits.items()}
    images, attributes = tf.constant(pictures), tf.constant(described["train"])

    def look(index: tf.Tensor, pair: tf.Tensor) -> tuple:
        index = tf.ensure_shape(index, (batch_size,))
        seen = views(tf.gather(images, index), image_size, pair)
        return (seen, tf.gather(attributes, index)), tf.zeros((batch_size,), tf.int32)

    order = tf.data.Dataset.range(len(pictures)).shuffle(len(pictures), seed)
    order = order.batch(batch_size, drop_remainder=True)
    seen = tf.data.Dataset.zip(order, seed_pairs(seed))
    held_out = {
        split: tf.data.Dataset.from_tensor_slices(
            (scaled(splits[split].images, image_size), described[split])
        ).batch(EVALUATION_BATCH)
        for split in ("validation", "test")
    }
    deviation = described["train"].std(axis=0)
    return ImageAttributes(
        train=seen.map(look, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE),
        **held_out,
        mean=described["train"].mean(axis=0),
        deviation=np.where(deviation > 0, deviation, 1.0),
        image_size=image_size,
    )
