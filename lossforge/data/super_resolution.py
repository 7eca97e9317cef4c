"""Pairs of a degraded and a sharp photograph: patches for training, photographs for judging."""

from __future__ import annotations

import functools
import numbers
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from lossforge.data.degradations import Degradation
from lossforge.data.detection import split_plan
from lossforge.data.photographs import photographs
from lossforge.data.tfds_builders import named_builder
from lossforge.errors import RecipeError

VALIDATION = ("camera", "flower", "rocket")
TEST = ("astronaut", "cat", "china", "coffee")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
CACHED_BYTES = 2**30  # decoded pairs up to this size stay in memory
CROPS = 16  # patches taken from a photograph each time it is decoded, where pairs are not kept
SHUFFLE_WINDOW = 1024

SOURCES = "data is photographs, a TFDS set such as div2k/bicubic_x2, or the path of a folder"


@dataclass(frozen=True)
class SuperResolutionData:
    """Three splits of `(low, high)`, uint8 RGB, from disjoint photographs.

    low: (B, h, w, 3), high: (B, scale h, scale w, 3). `train` holds patches, other ones each time
    it is iterated; `validation` and `test` hold one photograph a batch, each of its own size.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    scale: int


@dataclass(frozen=True)
class _Source:
    """Splits of uint8 pairs (low, high), not yet spoilt; and whether they fit into memory."""

    splits: dict[str, tf.data.Dataset]
    cached: bool


def load_super_resolution(
    data: str | os.PathLike = "photographs",
    *,
    degradation: Degradation | None = None,
    patch_size: int = 64,
    batch_size: int = 16,
    train_patches: int = 4800,
    validation_size: int | None = 192,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> SuperResolutionData:
    """Reads photographs, degrades them, and cuts training patches.

    Photographs are reduced whole, then cut: a patch that is reduced by itself has a border that no
    photograph has. Patches are flipped and turned at random; noise and JPEG are new for every
    patch, and the same in every evaluation.

    Args:
        data: "photographs": those of scikit-image and scikit-learn, at hand without a network
            (`lossforge.data.photographs`; 10 to train on, 3 to validate, and astronaut, cat, china
            and coffee to test); the name of a TFDS set with `hr` and `lr` ("div2k/bicubic_x4",
            used as it is) or with `image`; or the path of a folder with images, or with folders
            of images called train, validation and test.
        degradation: what is done to the photographs; by default x2, bicubic.
        patch_size: side of a sharp patch, in pixels; a multiple of the scale.
        batch_size: patches in a batch.
        train_patches: patches that make an epoch.
        validation_size: validation photographs are cut to their centre of at most this side;
            None keeps them whole, as test photographs always are.
        seed: of patches, their order, and noise.
        data_dir: where TFDS keeps its sets.

    A set without a test split is tested on its validation split and validated on a tenth of its
    training split; a single split is cut 80 / 10 / 10.

    Raises: RecipeError for whatever the user can mend.
    """
    degradation = degradation or Degradation()
    _check(patch_size, batch_size, train_patches, validation_size, degradation.scale)
    source = _source(data, degradation, patch_size, data_dir)
    train = _patches(source, degradation, patch_size, seed)
    steps = train_patches // batch_size
    batches = train.batch(batch_size, drop_remainder=True).take(steps)
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return SuperResolutionData(
        train=batches.prefetch(tf.data.AUTOTUNE),
        validation=_whole(source.splits["validation"], degradation, validation_size),
        test=_whole(source.splits["test"], degradation, None),
        scale=degradation.scale,
    )


def _check(patch_size, batch_size, train_patches, validation_size, scale) -> None:
    counts = {"patch_size": patch_size, "batch_size": batch_size, "train_patches": train_patches}
    if validation_size is not None:
        counts["validation_size"] = validation_size
    for name, value in counts.items():
        if not isinstance(value, numbers.Integral) or value < 1:
            raise RecipeError(f"{name} must be a whole number from 1, got {value!r}.")
    if patch_size % scale or patch_size < 8 * scale:
        raise RecipeError(
            f"patch_size must be a multiple of the scale {scale}, {8 * scale} or more, "
            f"got {patch_size}."
        )
    if train_patches < batch_size:
        raise RecipeError(f"train_patches={train_patches} is less than batch_size={batch_size}.")


# Patches and photographs --------------------------------------------------------------------------


def _patches(source: _Source, degradation: Degradation, size: int, seed: int) -> tf.data.Dataset:
    """Single patches, without end; photographs take turns, so that each is seen as often."""
    pairs = source.splits["train"]
    crops = 1 if source.cached else CROPS
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    pairs = pairs.repeat() if source.cached else pairs.shuffle(64, seed).repeat()
    repeated = pairs.flat_map(
        lambda low, high: tf.data.Dataset.from_tensors((low, high)).repeat(crops)
    )
    cut = functools.partial(_patch, degradation=degradation, size=size)
    patches = tf.data.Dataset.zip(repeated, seeds).map(cut, tf.data.AUTOTUNE, deterministic=True)
    return patches if source.cached else patches.shuffle(SHUFFLE_WINDOW, seed)


def _patch(pair, seed, degradation: Degradation, size: int):
    low, high = pair
    side, scale = size // degradation.scale, degradation.scale
    draws = tf.random.experimental.stateless_split(seed, 3)
    room = tf.cast(tf.shape(low)[:2] - side + 1, tf.float32)
    at = tf.cast(tf.random.stateless_uniform((2,), draws[0]) * room, tf.int32)
    low = low[at[0] : at[0] + side, at[1] : at[1] + side]
    high = high[at[0] * scale : at[0] * scale + size, at[1] * scale : at[1] * scale + size]
    turn = tf.random.stateless_uniform((2,), draws[1], maxval=4, dtype=tf.int32)
    low, high = (_turned(x, turn) for x in (low, high))
    low, high = tf.ensure_shape(low, (side, side, 3)), tf.ensure_shape(high, (size, size, 3))
    return degradation.spoil(low, draws[2]), high


def _turned(image: tf.Tensor, turn: tf.Tensor) -> tf.Tensor:
    """One of the eight ways to lay a square."""
    image = tf.image.rot90(image, turn[0])
    return tf.cond(turn[1] < 2, lambda: image, lambda: image[:, ::-1])


def _whole(pairs: tf.data.Dataset, degradation: Degradation, size: int | None) -> tf.data.Dataset:
    """One photograph a batch, its noise fixed by its place in the order."""
    scale = degradation.scale

    def finish(index, pair):
        low, high = pair
        if size is not None:
            shape = tf.shape(low)[:2]
            side = tf.minimum(shape, max(size // scale, 1))
            top, left = tf.unstack((shape - side) // 2)
            low = low[top : top + side[0], left : left + side[1]]
            top, left, height, width = scale * top, scale * left, scale * side[0], scale * side[1]
            high = high[top : top + height, left : left + width]
        return degradation.spoil(low, tf.stack([index, tf.constant(0, tf.int64)])), high

    finished = pairs.enumerate().map(finish, tf.data.AUTOTUNE, deterministic=True)
    return finished.cache().batch(1).prefetch(1)


def _degraded(image: tf.Tensor, degradation: Degradation) -> tuple[tf.Tensor, tf.Tensor]:
    """(low, high); what does not divide by the scale is cut from the right and the bottom."""
    size = tf.shape(image)[:2] // degradation.scale * degradation.scale
    high = tf.ensure_shape(image[: size[0], : size[1]], (None, None, 3))
    return tf.ensure_shape(degradation.reduce(high), (None, None, 3)), high


# Where photographs come from ----------------------------------------------------------------------


def _source(data, degradation: Degradation, patch_size: int, data_dir) -> _Source:
    if data == "photographs":
        return _own_photographs(degradation)
    folder = Path(data).expanduser()
    if folder.is_dir():
        return _folder(folder, degradation, patch_size)
    if folder.is_absolute() or str(data).startswith((".", "~")) or isinstance(data, os.PathLike):
        raise RecipeError(f"data={data}: there is no such folder; {SOURCES}.")
    return _tfds(str(data), degradation, data_dir)


def _own_photographs(degradation: Degradation) -> _Source:
    images = photographs()
    held_out = {"validation": VALIDATION, "test": TEST}
    names = {"train": [n for n in images if n not in VALIDATION + TEST], **held_out}
    splits = {split: _arrays([images[n] for n in chosen]) for split, chosen in names.items()}
    return _Source({s: _prepared(d, degradation, True) for s, d in splits.items()}, cached=True)


def _arrays(images: Sequence[np.ndarray]) -> tf.data.Dataset:
    signature = tf.TensorSpec((None, None, 3), tf.uint8)
    dataset = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(images)))


def _prepared(images: tf.data.Dataset, degradation: Degradation, cached: bool) -> tf.data.Dataset:
    degrade = functools.partial(_degraded, degradation=degradation)
    pairs = images.map(degrade, tf.data.AUTOTUNE, deterministic=True)
    return pairs.cache() if cached else pairs


def _folder(folder: Path, degradation: Degradation, patch_size: int) -> _Source:
    available = {d.name: _images_in(d) for d in folder.iterdir() if d.is_dir()}
    available = {"validation" if n in ("val", "valid") else n: f for n, f in available.items()}
    if "train" not in available:
        available = {"train": _images_in(folder)}
    files = {}
    for split, (name, start, stop) in split_plan(n for n, f in available.items() if f).items():
        paths = available[name]
        files[split] = paths[round(start * len(paths) / 100) : round(stop * len(paths) / 100)]
        if not files[split]:
            raise RecipeError(
                f"data={folder} has {len(paths)} images in {name}, too few for a split of its own "
                f"for {split}: give it 10 or more, or folders train, validation and test."
            )
    pixels = [_pixels(path, patch_size, split) for split in files for path in files[split]]
    cached = 4 * sum(pixels) <= CACHED_BYTES
    splits = {
        split: tf.data.Dataset.from_tensor_slices([str(p) for p in paths]).map(_read)
        for split, paths in files.items()
    }
    return _Source({s: _prepared(d, degradation, cached) for s, d in splits.items()}, cached)


def _images_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def _pixels(path: Path, patch_size: int, split: str) -> int:
    """How many; an error for a file that is no image, or one too small to cut a patch from."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
    except OSError as error:
        raise RecipeError(f"{path} can't be read as an image: {error}.") from error
    if split == "train" and min(width, height) < patch_size:
        raise RecipeError(
            f"{path} is {width} x {height} pixels, smaller than patch_size={patch_size}: leave it "
            "out or set a smaller patch_size."
        )
    return width * height


def _read(path: tf.Tensor) -> tf.Tensor:
    image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return tf.ensure_shape(image, (None, None, 3))


def _tfds(name: str, degradation: Degradation, data_dir) -> _Source:
    builder = named_builder(name, data_dir, check=_pair_or_image)
    pairs = _pair_or_image(builder)
    if pairs and degradation != Degradation(degradation.scale):
        raise RecipeError(
            f"data={name} brings its own degraded photographs: leave blur, noise and jpeg out."
        )
    available = {"validation" if s == "val" else s: s for s in builder.info.splits}
    splits = {}
    for split, (own, start, stop) in split_plan(available).items():
        part = builder.as_dataset(split=f"{available[own]}[{start}%:{stop}%]", shuffle_files=False)
        if pairs:
            splits[split] = part.map(functools.partial(_given_pair, scale=degradation.scale))
        else:
            splits[split] = _prepared(part.map(lambda e: e["image"]), degradation, cached=False)
    return _Source(splits, cached=False)


def _pair_or_image(builder) -> bool:
    """True for a set of pairs, False for one of images."""
    features = builder.info.features
    features = set(features) if hasattr(features, "items") else set()
    if not features & {"hr", "image"}:
        raise RecipeError(
            f"data={builder.name} is no set of photographs: it needs hr and lr, or image, and has "
            f"{', '.join(sorted(features)) or 'none of them'}."
        )
    return {"hr", "lr"} <= features


def _given_pair(example, scale: int):
    low, high = example["lr"], example["hr"]
    size = tf.shape(low)[:2]
    fits = tf.reduce_all(tf.shape(high)[:2] // scale == size)
    message = f"The set's photographs are not {scale} times as large as its small ones."
    with tf.control_dependencies([tf.debugging.Assert(fits, [message, tf.shape(high), size])]):
        high = high[: size[0] * scale, : size[1] * scale]
    return tf.ensure_shape(low, (None, None, 3)), tf.ensure_shape(high, (None, None, 3))
