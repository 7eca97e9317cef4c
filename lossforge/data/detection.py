"""Detection data, from any source, as batches of pictures with padded boxes."""

from __future__ import annotations

import functools
import numbers
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from lossforge.data.coco_folder import LabelledImage, read_coco_folder
from lossforge.data.tfds_builders import named_builder, prepared, quiet
from lossforge.errors import RecipeError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

GREY = 114.0  # what letterboxing pads with
CACHED_BYTES = 2**29  # decoded splits up to this size stay in memory
SHUFFLE_WINDOW = 2048  # encoded pictures, for larger ones
BRIGHTNESS = 25.0  # grey levels
CONTRAST = 0.2

SOURCES = "data is digit_scenes, a TFDS set such as voc/2007, or the path of a COCO-format folder"


@dataclass(frozen=True)
class DetectionData:
    """Three splits of `(image, {"boxes", "labels"})`, in batches.

    image: (B, S, S, 3) float32 in 0..255. boxes: (B, max_boxes, 4) float32, x1 y1 x2 y2 in pixels
    of that image, zeros where padded. labels: (B, max_boxes) int32, -1 where padded.

    One pass is one epoch. `train` comes in another order each time it is iterated, with brightness
    and contrast varied, and drops a partial last batch; `validation` and `test` come as they are,
    in full.
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    class_names: tuple[str, ...]
    image_size: int


def load_detection(
    data: str | os.PathLike | tfds.core.DatasetBuilder = "digit_scenes",
    *,
    image_size: int = 96,
    batch_size: int = 8,
    max_boxes: int = 20,
    seed: int = 0,
    train_examples: int | None = None,
    imbalance: float = 1.0,
    data_dir: str | os.PathLike | None = None,
) -> DetectionData:
    """Reads a detection set, and makes or downloads it first where needed.

    Args:
        data: "digit_scenes", which needs no network (see `DigitScenes`); the name of a TFDS set
            that has an image and objects with bbox and label, such as "voc/2007"; the path of a
            COCO-format folder (layouts: `read_coco_folder`); or a TFDS builder, such as
            `DigitScenes(config=DigitScenesConfig(seed=1), data_dir=...)`.
        image_size: side S in pixels. Other pictures are letterboxed (see `letterbox`).
        batch_size: examples in a batch.
        max_boxes: boxes an example has room for; of more, the largest are kept.
        seed: of the order and the variation of training examples, not of the digit scenes. Loaded
            again with the same seed (and the same `tf.random.set_seed`, if any), the same batches
            come.
        train_examples: use so many training examples only. More than the default 1,500 make more
            digit scenes; other sets give what they have.
        imbalance: of the training classes of digit scenes, most to least frequent.
        data_dir: where sets are kept. For digit scenes the default is the environment variable
            LOSSFORGE_DATA, else ~/.cache/lossforge; for other TFDS names it is TFDS's own.

    Crowd annotations are left out. A set without an annotated test split is tested on its
    validation split and validated on a tenth of its training split; a set with a single split is
    cut 80 / 10 / 10. Nothing is mirrored: digits, text and arrows would change their meaning.

    Returns: the splits, see `DetectionData`.

    Raises: RecipeError for whatever the user can mend.
    """
    _check(image_size=image_size, batch_size=batch_size, max_boxes=max_boxes)
    if train_examples is not None:
        _check(train_examples=train_examples)
    if imbalance != 1 and data != "digit_scenes":
        raise RecipeError(f"imbalance={imbalance} can only be set for data=digit_scenes.")
    if data == "digit_scenes":
        source = _digit_scenes(image_size, train_examples, imbalance, data_dir)
    else:
        source = _source(data, data_dir)
    return _batched(source, image_size, batch_size, max_boxes, seed, train_examples)


def _check(**counts: int) -> None:
    for name, value in counts.items():
        if not isinstance(value, numbers.Integral) or value < 1:
            raise RecipeError(f"{name} must be a whole number from 1, got {value!r}.")


# From encoded examples to batches -----------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """Splits of {"image" or "path", "boxes": (N, 4) x1 y1 x2 y2, "labels": (N,), -1 to leave out}.

    "image" is an encoded picture, "path" the file of one.
    `relative`: boxes are shares of the picture's width and height, not pixels.
    """

    name: str
    class_names: tuple[str, ...]
    splits: dict[str, tf.data.Dataset]
    relative: bool


def _batched(
    source: _Source,
    image_size: int,
    batch_size: int,
    max_boxes: int,
    seed: int,
    train_examples: int | None,
) -> DetectionData:
    decode = functools.partial(
        _decode, relative=source.relative, image_size=image_size, max_boxes=max_boxes
    )
    splits = {}
    for split, examples in source.splits.items():
        training = split == "train"
        if training and train_examples is not None:
            examples = examples.take(train_examples)
        count = int(examples.cardinality())
        if count < (batch_size if training else 1):
            raise RecipeError(
                f"data={source.name} has {count} {split} examples, too few for "
                f"batch_size={batch_size}."
            )
        cached = count * image_size**2 * 3 <= CACHED_BYTES
        if training and not cached:
            window = count if "path" in examples.element_spec else min(count, SHUFFLE_WINDOW)
            examples = examples.shuffle(window, seed)
        examples = examples.map(decode, tf.data.AUTOTUNE, deterministic=True)
        if cached:
            examples = examples.cache()
            examples = examples.shuffle(count, seed) if training else examples
        batches = examples.batch(batch_size, drop_remainder=training)
        batches = _jittered(batches, seed) if training else batches.map(_as_float)
        splits[split] = batches.prefetch(tf.data.AUTOTUNE)
    return DetectionData(**splits, class_names=source.class_names, image_size=image_size)


def letterbox(image: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Scales a picture to fit a square, keeping its aspect, and pads it evenly with grey.

    Args:
        image: (H, W, 3), any number type, 0..255.
        size: pixels a side of the square.

    Returns: the picture, (size, size, 3) float32; scale (2,) and offset (2,) in x, y, such that a
        point p of the original is at `p * scale + offset`.

    >>> _, scale, offset = letterbox(tf.zeros((50, 100, 3)), 64)
    >>> scale.numpy().tolist(), offset.numpy().tolist()
    ([0.6399999856948853, 0.6399999856948853], [0.0, 16.0])
    """
    shape = tf.shape(image)[:2]  # height, width
    fit = tf.cast(size, tf.float32) / tf.cast(tf.reduce_max(shape), tf.float32)
    inner = tf.maximum(tf.cast(tf.round(tf.cast(shape, tf.float32) * fit), tf.int32), 1)
    scaled = tf.image.resize(image, inner, antialias=True)
    before = (size - inner) // 2
    padding = tf.stack([before, size - inner - before], axis=1)
    square = tf.pad(scaled, tf.pad(padding, [[0, 1], [0, 0]]), constant_values=GREY)
    scale = tf.cast(inner, tf.float32) / tf.cast(shape, tf.float32)
    square = tf.ensure_shape(square, (size, size, 3))
    return square, scale[::-1], tf.cast(before[::-1], tf.float32)


def _decode(example: dict, relative: bool, image_size: int, max_boxes: int):
    """One encoded example as a square uint8 picture and padded boxes."""
    encoded = tf.io.read_file(example["path"]) if "path" in example else example["image"]
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    extent = tf.cast(tf.shape(image)[1::-1], tf.float32)  # width, height
    image, scale, offset = letterbox(image, image_size)
    boxes = tf.reshape(tf.cast(example["boxes"], tf.float32), (-1, 2, 2))  # box, corner, x y
    boxes = boxes * extent if relative else boxes
    boxes = tf.clip_by_value(boxes, 0.0, extent) * scale + offset
    boxes, labels = _padded(
        tf.reshape(boxes, (-1, 4)), tf.cast(example["labels"], tf.int32), max_boxes
    )
    image = tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)
    return image, {"boxes": boxes, "labels": labels}


def _padded(boxes: tf.Tensor, labels: tf.Tensor, max_boxes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The `max_boxes` largest boxes, in their order; room that is left has zeros and -1."""
    sides = boxes[:, 2:] - boxes[:, :2]
    real = (labels >= 0) & tf.reduce_all(sides > 0, axis=1)
    boxes, labels = boxes[real], labels[real]
    area = tf.reduce_prod(sides[real], axis=1)
    largest = tf.sort(tf.math.top_k(area, tf.minimum(tf.size(area), max_boxes)).indices)
    boxes, labels = tf.gather(boxes, largest), tf.gather(labels, largest)
    room = max_boxes - tf.size(labels)
    boxes = tf.pad(boxes, [[0, room], [0, 0]])
    labels = tf.pad(labels, [[0, room]], constant_values=-1)
    return tf.ensure_shape(boxes, (max_boxes, 4)), tf.ensure_shape(labels, (max_boxes,))


def _as_float(image: tf.Tensor, target: dict):
    return tf.cast(image, tf.float32), target


def _jittered(batches: tf.data.Dataset, seed: int) -> tf.data.Dataset:
    """Every picture a little brighter or darker, with more or less contrast."""
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)

    def vary(batch, pair):
        image, target = _as_float(*batch)
        draw = tf.random.stateless_uniform((2, tf.shape(image)[0], 1, 1, 1), pair, -1.0, 1.0)
        mean = tf.reduce_mean(image, axis=(1, 2, 3), keepdims=True)
        image = (image - mean) * (1 + CONTRAST * draw[0]) + mean + BRIGHTNESS * draw[1]
        return tf.clip_by_value(image, 0.0, 255.0), target

    return tf.data.Dataset.zip(batches, seeds).map(vary, tf.data.AUTOTUNE, deterministic=True)


# Where splits come from ---------------------------------------------------------------------------


def split_plan(available: Iterable[str]) -> dict[str, tuple[str, int, int]]:
    """Which part of which split to train, validate and test on: (split, from %, to %).

    >>> split_plan(["train", "validation"])["test"]
    ('validation', 0, 100)
    """
    names = set(available)
    if {"train", "validation", "test"} <= names:
        return {name: (name, 0, 100) for name in ("train", "validation", "test")}
    if {"train"} == names & {"train", "validation", "test"}:
        parts = {"train": (0, 80), "validation": (80, 90), "test": (90, 100)}
        return {name: ("train", *part) for name, part in parts.items()}
    if "train" in names:
        held_out = "test" if "test" in names else "validation"
        return {
            "train": ("train", 0, 90),
            "validation": ("train", 90, 100),
            "test": (held_out, 0, 100),
        }
    raise RecipeError(f"There is no split 'train' to learn from; there are: {sorted(names)}.")


def _source(data, data_dir) -> _Source:
    """Splits of a builder, a folder or a TFDS name."""
    if not isinstance(data, (str, os.PathLike)):
        _object_features(data)
        data.download_and_prepare()
        return _tfds_source(data)
    folder = Path(data).expanduser()
    if folder.is_dir():
        return _coco_source(folder)
    if folder.is_absolute() or str(data).startswith((".", "~")) or isinstance(data, os.PathLike):
        raise RecipeError(f"data={data}: there is no such folder; {SOURCES}.")
    return _tfds_source(named_builder(data, data_dir, check=_object_features))


def _coco_source(folder: Path) -> _Source:
    class_names, available = read_coco_folder(folder)
    annotated = {s: i for s, i in available.items() if s != "test" or any(len(x.labels) for x in i)}
    splits = {}
    for split, (name, start, stop) in split_plan(annotated).items():
        images = annotated[name]
        start, stop = (round(percent * len(images) / 100) for percent in (start, stop))
        splits[split] = _files(images[start:stop])
    return _Source(str(folder), class_names, splits, relative=False)


def _files(images: list[LabelledImage]) -> tf.data.Dataset:
    lengths = [len(image.labels) for image in images]
    boxes = np.concatenate([image.boxes for image in images] or [np.zeros((0, 4), np.float32)])
    labels = np.concatenate([image.labels for image in images] or [np.zeros(0, np.int32)])
    return tf.data.Dataset.from_tensor_slices(
        {
            "path": tf.constant([image.path for image in images], tf.string),
            "boxes": tf.RaggedTensor.from_row_lengths(boxes, lengths),
            "labels": tf.RaggedTensor.from_row_lengths(labels, lengths),
        }
    )


def _digit_scenes(image_size, train_examples, imbalance, data_dir) -> _Source:
    from lossforge.data.digit_scenes import DigitScenes, DigitScenesConfig

    try:
        config = DigitScenesConfig(
            train_scenes=max(train_examples or 0, DigitScenesConfig().scenes["train"]),
            image_size=image_size,
            imbalance=imbalance,
        )
    except ValueError as error:
        raise RecipeError(f"data=digit_scenes: {error}") from error
    where = data_dir or os.environ.get("LOSSFORGE_DATA") or "~/.cache/lossforge"
    where = Path(where).expanduser()

    make = functools.partial(DigitScenes, config=config)
    try:
        with quiet():
            new = not Path(make(data_dir=where).data_dir).exists()
        if new:
            print(f"Making digit scenes in {where}: once, about 10 seconds.", file=sys.stderr)
        with quiet():
            return _tfds_source(prepared(lambda folder: make(data_dir=folder), where))
    except OSError as error:
        raise RecipeError(f"data=digit_scenes can't be kept in {where}: {error}") from error


def _object_features(builder: tfds.core.DatasetBuilder) -> dict:
    """The features of an object, if the set is one for detection."""
    features = _named(builder.info.features)
    objects = _named(getattr(features.get("objects"), "feature", None))
    if "image" in features and "bbox" in objects and getattr(objects.get("label"), "names", None):
        return objects
    has = sorted({*features, *(f"objects/{name}" for name in objects)}) or [builder.info.features]
    raise RecipeError(
        f"data={builder.name} is no detection set: it needs image, objects/bbox and objects/label "
        f"with class names, and has {', '.join(map(str, has))}."
    )


def _named(features) -> dict:
    """The features by name; none where they have no names."""
    return dict(features.items()) if hasattr(features, "items") else {}


def _tfds_source(builder: tfds.core.DatasetBuilder) -> _Source:
    objects = _object_features(builder)
    names = {"validation" if name == "val" else name: name for name in builder.info.splits}
    read = functools.partial(_read_split, builder, crowd="is_crowd" in objects)
    if {"validation", "test"} <= names.keys() and not _annotated(read(names["test"])):
        del names["test"]
    splits = {}
    for split, (name, start, stop) in split_plan(names).items():
        splits[split] = read(f"{names[name]}[{start}%:{stop}%]")
    return _Source(builder.info.full_name, tuple(objects["label"].names), splits, relative=True)


def _read_split(builder: tfds.core.DatasetBuilder, split: str, crowd: bool) -> tf.data.Dataset:
    import tensorflow_datasets as tfds

    wanted = {"bbox": True, "label": True} | ({"is_crowd": True} if crowd else {})
    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
        decoders=tfds.decode.PartialDecoding(
            {"image": True, "objects": wanted}, decoders={"image": tfds.decode.SkipDecoding()}
        ),
    )

    def standard(example):
        objects = example["objects"]
        top, left, bottom, right = tf.unstack(objects["bbox"], axis=-1)
        labels = tf.cast(objects["label"], tf.int32)
        if crowd:
            labels = tf.where(objects["is_crowd"], -1, labels)
        boxes = tf.stack([left, top, right, bottom], axis=-1)
        return {"image": example["image"], "boxes": boxes, "labels": labels}

    return examples.map(standard)


def _annotated(examples: tf.data.Dataset, looks: int = 32) -> bool:
    return any(len(example["labels"]) for example in examples.take(looks).as_numpy_iterator())
