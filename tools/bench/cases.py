"""What is measured: each heavy loss, its input and its peer."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import peers
import tensorflow as tf
from losses import Case

import lossforge
from lossforge.losses.largest import kth_largest

KERAS = f"keras {keras.__version__}"
KERAS_CV = f"keras-cv {importlib.metadata.version('keras-cv')}"
TENSORFLOW = f"tensorflow {tf.__version__}"
OURS = f"lossforge {lossforge.__version__}"
ADDONS = "tensorflow-addons 0.23's algorithm, O(B^3)"


class Step:
    """A compiled loss of constant targets, with its gradient for the variables."""

    def __init__(self, loss: Callable, y_true: Any, *variables: Any) -> None:
        self.kept = y_true, variables  # else their memory would be used again and not be seen
        self.y_true = tf.convert_to_tensor(y_true)
        self.variables = [tf.convert_to_tensor(v) for v in variables]

        @tf.function
        def value_and_gradients(y_true, *variables):
            with tf.GradientTape() as tape:
                tape.watch(variables)
                value = loss(y_true, *variables)
            return value, tape.gradient(value, variables)

        self.function = value_and_gradients

    def trace(self) -> None:
        self.function.get_concrete_function(self.y_true, *self.variables)

    def __call__(self) -> Any:
        return self.function(self.y_true, *self.variables)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype="float32")


def classifiers(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        labels, logits = np.random.default_rng(0).integers(0, 150, 65536), numbers(65536, 150)
        return [Step(loss, labels, logits) for loss in (ours, theirs)]

    return steps


def masks(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        rng = np.random.default_rng(0)
        ids = rng.integers(0, 21, (8, 256, 256))
        y, p = np.eye(21, dtype="float32")[ids], rng.random((8, 256, 256, 21), dtype="float32")
        return [Step(loss, y, p) for loss in (ours, theirs)]

    return steps


def embeddings(size: int, *losses: Callable) -> Callable[[], list[Step]]:
    """Class ids, four examples a class, and embeddings of 128 numbers."""

    def steps():
        return [Step(f, np.arange(size, dtype="int32") // 4, numbers(size, 128)) for f in losses]

    return steps


def views(size: int, *losses: Callable) -> Callable[[], list[Step]]:
    """Two views of 128 numbers, both with a gradient."""

    def of(loss):
        x, y = numbers(size, 128), numbers(size, 128, seed=1)
        return Step(lambda _, x, y: loss(x, y), 0, x, y)

    return lambda: [of(loss) for loss in losses]


def pictures(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        x = np.random.default_rng(0).random((8, 256, 256, 3)).astype("float32")
        y = np.clip(x + 0.1 * numbers(8, 256, 256, 3), 0.0, 1.0)
        return [Step(loss, x, y) for loss in (ours, theirs)]

    return steps


def pixels() -> list[Step]:
    """The mean of the hardest pixels."""
    kept, values = 100_000, np.square(numbers(2_097_152))

    def ours(_, x):
        return tf.reduce_sum(tf.where(x >= tf.stop_gradient(kth_largest(x, kept)), x, 0.0)) / kept

    def theirs(_, x):
        return tf.reduce_mean(tf.math.top_k(x, kept, sorted=False).values)

    return [Step(loss, 0, values) for loss in (ours, theirs)]


def million_classes() -> list[Step]:
    """The margin softmax over a tenth of the classes, and over all of them."""
    classes, labels = 1_000_000, np.arange(64, dtype="int32") * 15_000
    head = lossforge.heads.SampledCosineHead(classes, sampled=classes // 10, seed=0)
    head.build([(64, 128), (64,)])
    sampled, dense = lossforge.TargetFirst(lossforge.ArcFace()), lossforge.ArcFace()

    def ours(labels, x):
        return sampled(labels, head([x, labels], training=True))

    def theirs(labels, x):
        directions = tf.math.l2_normalize(head.directions.value, -1)
        return dense(labels, tf.matmul(tf.math.l2_normalize(x, -1), directions, transpose_b=True))

    def with_weights(loss):
        step = Step(loss, labels, numbers(64, 128))

        @tf.function
        def value_and_gradients(y_true, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y_true, x)
            return value, tape.gradient(value, [x, head.directions.value])

        step.function = value_and_gradients
        return step

    return [with_weights(loss) for loss in (ours, theirs)]


def boxes() -> list[Step]:
    import keras_cv

    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.5, (2, 4000, 2))
    corners = np.concatenate([corners, corners + rng.uniform(0.1, 0.5, (2, 4000, 2))], -1)
    theirs = keras_cv.losses.GIoULoss(bounding_box_format="xyxy")
    return [Step(loss, *corners.astype("float32")) for loss in (lossforge.GIoU(), theirs)]


def sequences() -> list[Step]:
    labels = np.random.default_rng(0).integers(1, 64, (32, 20)).astype("int32")
    both = (lossforge.CTC(from_logits=True), keras.losses.CTC())
    return [Step(loss, labels, numbers(32, 200, 64)) for loss in both]


def sim_clr(x: Any, y: Any) -> Any:
    import keras_cv

    return 0.5 * keras_cv.losses.SimCLRLoss(temperature=0.5)(x, y)  # it adds both views


def normalised(loss: Callable) -> Callable:
    return lambda y, x: loss(y, tf.math.l2_normalize(x, axis=-1))


CASES = {
    "focal": Case(
        "65536 x 150 logits",
        f"{KERAS} SparseCategoricalCrossentropy",
        classifiers(
            lossforge.Focal(from_logits=True),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ),
        "at most 1.3x its time, 2x its memory",
        lambda speed, lean, _: speed >= 1 / 1.3 and lean >= 0.5,
    ),
    "focal_of_keras": Case(
        "65536 x 150 logits",
        f"{KERAS} CategoricalFocalCrossentropy",
        classifiers(
            lossforge.Focal(from_logits=True),
            lambda y, x: keras.losses.CategoricalFocalCrossentropy(from_logits=True, alpha=1.0)(
                tf.one_hot(y, 150), x
            ),
        ),
        "faster and leaner",
        lambda speed, lean, _: speed >= 1 and lean >= 1,
        agree=True,
    ),
    "dice": Case(
        "8 x 256 x 256 x 21",
        f"{KERAS} Dice",
        masks(lossforge.Dice(), keras.losses.Dice(axis=(1, 2, 3))),
        "at most its memory",
        lambda _speed, lean, _: lean >= 1,
    ),
    "tversky": Case(
        "8 x 256 x 256 x 21",
        f"{OURS} Dice",
        masks(lossforge.Tversky(), lossforge.Dice()),
        "at Dice's cost, within 15 %",
        lambda speed, *_: speed >= 1 / 1.15,
    ),
    "tversky_of_keras": Case(
        "8 x 256 x 256 x 21",
        f"{KERAS} Tversky",
        masks(lossforge.Tversky(), keras.losses.Tversky(axis=(1, 2, 3))),
        "faster and leaner",
        lambda speed, lean, _: speed >= 1 and lean >= 1,
    ),
    "triplet": Case(
        "B = 512, semi-hard",
        ADDONS,
        embeddings(512, lossforge.Triplet(), peers.semi_hard_triplet),
        "at least 20x faster, 60x leaner",
        lambda speed, lean, _: speed >= 20 and lean >= 60,
        agree=True,
    ),
    "triplet_4096": Case(
        "B = 4096, semi-hard",
        "none: (B^2, B) numbers are 256 GiB",
        embeddings(4096, lossforge.Triplet()),
        "below 2 GB",
        lambda _speed, _lean, megabytes: megabytes < 2000,
    ),
    "triplet_all": Case(
        "B = 2048, all triplets",
        "none: (B^2, B) numbers are 32 GiB",
        embeddings(2048, lossforge.Triplet(strategy="all")),
        "below 1 GB",
        lambda _speed, _lean, megabytes: megabytes < 1000,
    ),
    "lifted": Case(
        "B = 512",
        ADDONS,
        embeddings(512, lossforge.Lifted(), peers.lifted),
        "at least 100x faster",
        lambda speed, *_: speed >= 100,
        agree=True,
    ),
    "circle": Case(
        "B = 2048",
        f"{KERAS} Circle",
        embeddings(2048, lossforge.Circle(), normalised(keras.losses.Circle(gamma=80.0))),
        "at most its time and memory",
        lambda speed, lean, _: speed >= 1 and lean >= 1,
    ),
    "ntxent": Case(
        "2 x 2048 views, chunk 512",
        f"{KERAS_CV} SimCLRLoss",
        views(2048, lossforge.NTXent(chunk=512), sim_clr),
        "at most its time and memory",
        lambda speed, lean, _: speed >= 1 and lean >= 1,
        agree=True,
    ),
    "ntxent_4096": Case(
        "2 x 4096 views, chunk 256",
        "none",
        views(4096, lossforge.NTXent(chunk=256)),
        "below 250 MB",
        lambda _speed, _lean, megabytes: megabytes < 250,
    ),
    "supcon_8192": Case(
        "2 x 4096 views, chunk 512",
        "none",
        embeddings(8192, lossforge.SupCon(chunk=512)),
        "below 250 MB",
        lambda _speed, _lean, megabytes: megabytes < 250,
    ),
    "ssim": Case(
        "8 x 256 x 256 x 3",
        f"{TENSORFLOW} tf.image.ssim",
        pictures(lossforge.SSIM(), lambda x, y: 1.0 - tf.reduce_mean(tf.image.ssim(x, y, 1.0))),
        "at least 1.5x faster",
        lambda speed, *_: speed >= 1.5,
        agree=True,
    ),
    "multi_scale_ssim": Case(
        "8 x 256 x 256 x 3",
        f"{TENSORFLOW} tf.image.ssim_multiscale",
        pictures(
            lossforge.MultiScaleSSIM(),
            lambda x, y: 1.0 - tf.reduce_mean(tf.image.ssim_multiscale(x, y, 1.0)),
        ),
        "at least 1.5x faster",
        lambda speed, *_: speed >= 1.5,
        agree=True,
    ),
    "ohem": Case(
        "2097152 pixels, keep 1e5",
        f"{TENSORFLOW} tf.math.top_k",
        pixels,
        "at least 2x faster",
        lambda speed, *_: speed >= 2,
        agree=True,
    ),
    "partial_fc": Case(
        "64 x 128 x 1e6 classes",
        f"{OURS} ArcFace over all classes",
        million_classes,
        "at least 5x faster with a tenth",
        lambda speed, *_: speed >= 5,
    ),
    "giou": Case(
        "4000 boxes",
        f"{KERAS_CV} GIoULoss, O(N^2)",
        boxes,
        "at least 100x faster",
        lambda speed, *_: speed >= 100,
        agree=True,
    ),
    "ctc": Case(
        "32 x 200 x 64",
        f"{KERAS} CTC",
        sequences,
        "faster",
        lambda speed, *_: speed >= 1,
    ),
}
