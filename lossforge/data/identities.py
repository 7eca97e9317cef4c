"""Labelled pictures by identity, from any source."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from lossforge.data.photo_regions import photo_regions
from lossforge.errors import RecipeError

SOURCES = (
    "data is photo_regions, digits, lfw_subset, a TFDS set such as cars196, or the path of a "
    "folder with one sub-folder an identity"
)


@dataclasses.dataclass(frozen=True)
class Identities:
    """Pictures of one size with an identity each.

    images: (N, S, S, C) uint8. labels: (N,), 0 .. number of identities - 1. names: one a label.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]


def read_identities(
    data: str | os.PathLike, size: int, data_dir: str | os.PathLike | None = None
) -> dict[str, Identities]:
    """ "train", "validation" and "test" of a source, in pictures of `size` pixels a side.

    photo_regions: regions of real photographs (see `photo_regions`), each seen once; validation
        and test are of photographs that training has not seen.
    digits: scikit-learn's handwritten digits, one channel, 60 : 20 : 20. Closed-set.
    lfw_subset: scikit-image's 100 faces and 100 other patches, one channel, 60 : 20 : 20.
        Closed-set, of two identities: face or not.

    Raises:
        RecipeError: for a source that does not exist or can't be read.
    """
    if data == "photo_regions":
        parts = photo_regions(side=size)
        return {
            split: Identities(images, np.arange(len(names)), names)
            for split, (images, names) in parts.items()
        }
    if data in ("digits", "lfw_subset"):
        return _closed_set(*(_digits() if data == "digits" else _lfw_subset()), size)
    raise RecipeError(f"data={data}: there is no such source; {SOURCES}.")


def _digits() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8, 1) * (255 / 16), labels, tuple("0123456789")


def _lfw_subset() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    from skimage import data

    images = data.lfw_subset()
    return images[..., None] * 255.0, np.repeat([0, 1], 100), ("face", "other")


def _closed_set(
    images: np.ndarray, labels: np.ndarray, names: tuple[str, ...], size: int
) -> dict[str, Identities]:
    """The same identities in each split, every class in the same shares."""
    import tensorflow as tf
    from sklearn.model_selection import train_test_split

    scaled = np.asarray(tf.image.resize(images, (size, size), method="bicubic", antialias=True))
    scaled = scaled.round().clip(0, 255).astype("uint8")
    index = np.arange(len(labels))
    train, rest = train_test_split(index, test_size=0.4, stratify=labels, random_state=0)
    validation, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=0)
    parts = {"train": train, "validation": validation, "test": test}
    return {split: Identities(scaled[i], labels[i], names) for split, i in parts.items()}
