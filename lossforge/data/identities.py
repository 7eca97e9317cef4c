"""Labelled pictures by identity, from any source."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from lossforge.data.detection import letterbox
from lossforge.data.identity_arrays import read_identity_arrays
from lossforge.data.photo_regions import photo_regions
from lossforge.data.tfds_builders import named_builder
from lossforge.errors import RecipeError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

PICTURES = (".jpg", ".jpeg", ".png", ".bmp")

SOURCES = (
    "data is photo_regions, digits, lfw_subset, a TFDS set such as cars196, or the path of a "
    "folder with one sub-folder an identity or of a .npz file with images and labels"
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
    A TFDS set with an image and a label ("cars196", "caltech_birds2011", "lfw", "omniglot"): all
        its splits together, its identities in order: the first half to train, but for a tenth of
        them to validate, the second half to test, as is the custom with CARS196 and CUB-200.
    A folder with one sub-folder an identity: those of sub-folders train, validation and test, where
        these are; else its identities 60 : 20 : 20, shuffled always in the same way.

    A .npz file with `images` and `labels` (see `read_identity_arrays`): likewise 60 : 20 : 20.

    Pictures are scaled to fit and padded with grey, so that nothing is stretched.

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
    folder = Path(data).expanduser()
    if folder.is_dir():
        return _folder(folder, size)
    if folder.is_file() and folder.suffix == ".npz":
        return _arrays(folder, size)
    if folder.is_absolute() or str(data).startswith((".", "~")) or isinstance(data, os.PathLike):
        raise RecipeError(f"data={data}: there is no such folder; {SOURCES}.")
    return _tfds(str(data), size, data_dir)


def _folder(folder: Path, size: int) -> dict[str, Identities]:
    parts = {split: folder / split for split in ("train", "validation", "test")}
    if all(part.is_dir() for part in parts.values()):
        return {split: _read(_people(part), size) for split, part in parts.items()}
    people = _people(folder)
    return {
        split: _read({name: people[name] for name in chosen}, size)
        for split, chosen in _shared_out(sorted(people), f"{folder} has", "sub-folders").items()
    }


def _shared_out(names: Sequence | np.ndarray, where: str, what: str) -> dict[str, np.ndarray]:
    """Identities 60 : 20 : 20, shuffled always in the same way."""
    if len(names) < 5:
        raise RecipeError(
            f"{where} {len(names)} {what} with pictures; to hold out identities for validation "
            "and test it takes 5 or more."
        )
    order = np.random.default_rng(0).permutation(names)
    first, second = round(0.6 * len(order)), round(0.8 * len(order))
    return {"train": order[:first], "validation": order[first:second], "test": order[second:]}


def _arrays(file: Path, size: int) -> dict[str, Identities]:
    images, labels = read_identity_arrays(file)
    names = np.unique(labels)
    squares = np.stack([_square(_three_channels(tf.constant(image)), size) for image in images])
    parts = {}
    for split, chosen in _shared_out(names, f"{file} has", "identities").items():
        rows = np.flatnonzero(np.isin(labels, chosen))
        found, dense = np.unique(labels[rows], return_inverse=True)
        parts[split] = Identities(squares[rows], dense, tuple(map(str, found)))
    return parts


def _people(folder: Path) -> dict[str, list[Path]]:
    """The pictures of each sub-folder that has some."""
    found = {
        part.name: sorted(f for f in part.iterdir() if f.suffix.lower() in PICTURES)
        for part in sorted(folder.iterdir())
        if part.is_dir()
    }
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise RecipeError(
            f"{folder} has no sub-folders with pictures ({', '.join(PICTURES)}): it needs one "
            "sub-folder an identity."
        )
    return found


def _read(people: dict[str, list[Path]], size: int) -> Identities:
    images = [read_picture(file, size) for files in people.values() for file in files]
    labels = np.repeat(np.arange(len(people)), [len(files) for files in people.values()])
    return Identities(np.stack(images), labels, tuple(people))


def read_picture(file: Path, size: int) -> np.ndarray:
    """A picture file, letterboxed to (size, size, 3) uint8.

    Raises:
        RecipeError: for a file that is no picture.
    """
    try:
        image = tf.io.decode_image(file.read_bytes(), channels=3, expand_animations=False)
    except (tf.errors.InvalidArgumentError, OSError) as error:
        raise RecipeError(f"{file} can't be read as a picture: {str(error)[:100]}.") from None
    return _square(image, size)


def _square(image: tf.Tensor, size: int) -> np.ndarray:
    return np.asarray(letterbox(image, size)[0]).round().clip(0, 255).astype("uint8")


def _tfds(name: str, size: int, data_dir: str | os.PathLike | None) -> dict[str, Identities]:
    builder = named_builder(name, data_dir, check=_check_labelled)
    pictures, classes = [], []
    for split in sorted(builder.info.splits):
        for row, example in enumerate(builder.as_dataset(split=split, shuffle_files=False)):
            image = _three_channels(example["image"])
            if not np.isfinite(image.numpy()).all():
                raise RecipeError(f"data={name}: image {row} of {split} holds NaN or infinity.")
            pictures.append(_square(image, size))
            classes.append(example["label"].numpy())
    names, labels = np.unique(np.asarray(classes), return_inverse=True)
    half = (len(names) + 1) // 2
    cut = half - max(1, half // 10)
    bounds = {"train": (0, cut), "validation": (cut, half), "test": (half, len(names))}
    images = np.stack(pictures)
    parts = {}
    for split, (low, high) in bounds.items():
        chosen = (labels >= low) & (labels < high)
        parts[split] = Identities(
            images[chosen], labels[chosen] - low, tuple(_name(n) for n in names[low:high])
        )
    return parts


def _name(label: object) -> str:
    return label.decode() if isinstance(label, bytes) else str(label)


def _check_labelled(builder: tfds.core.DatasetBuilder) -> None:
    features = builder.info.features
    has = sorted(features.keys()) if hasattr(features, "keys") else [str(features)]
    if not {"image", "label"} <= set(has):
        raise RecipeError(f"data={builder.name} has no image with a label, but {', '.join(has)}.")


def _three_channels(image: tf.Tensor) -> tf.Tensor:
    return tf.image.grayscale_to_rgb(image) if image.shape[-1] == 1 else image


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
    from sklearn.model_selection import train_test_split

    scaled = np.asarray(tf.image.resize(images, (size, size), method="bicubic", antialias=True))
    scaled = scaled.round().clip(0, 255).astype("uint8")
    index = np.arange(len(labels))
    train, rest = train_test_split(index, test_size=0.4, stratify=labels, random_state=0)
    validation, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=0)
    parts = {"train": train, "validation": validation, "test": test}
    return {split: Identities(scaled[i], labels[i], names) for split, i in parts.items()}
