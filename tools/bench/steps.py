"""Compiled steps of two losses on the same inputs, by the shape of these inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import peers
import tensorflow as tf

import lossforge
from lossforge.losses.largest import kth_largest


class Step:
    """A compiled loss of constant targets, with its gradient for the variables."""

    def __init__(self, loss: Callable, y_true: Any, *variables: Any) -> None:
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


def class_ids(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        rng = np.random.default_rng(0)
        ids = rng.integers(0, 21, (8, 256, 256)).astype("int32")
        p = rng.random((8, 256, 256, 21), dtype="float32")
        return [Step(loss, ids, p) for loss in (ours, theirs)]

    return steps


def binary_classifiers() -> list[Step]:
    labels = (np.random.default_rng(0).random((100_000, 80)) < 0.05).astype("float32")
    ours = lossforge.Focal(task="multilabel", alpha=0.25, from_logits=True)
    theirs = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True, alpha=0.25, from_logits=True
    )
    return [Step(loss, labels, numbers(100_000, 80)) for loss in (ours, theirs)]


def sorted_classes() -> list[Step]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 15, (2, 256, 256)).astype("int32")
    p = rng.dirichlet(np.ones(15), (2, 256, 256)).astype("float32")
    return [Step(loss, ids, p) for loss in (lossforge.Lovasz(), peers.lovasz_softmax)]


def discs() -> list[Step]:
    """Two discs an image, and a prediction that has them elsewhere."""
    rows, columns = np.mgrid[:128, :128]

    def disc(seed):
        centres = np.random.default_rng(seed).integers(30, 98, (4, 2, 2))
        away = (rows - centres[..., :1, None]) ** 2 + (columns - centres[..., 1:, None]) ** 2
        return np.moveaxis(away < 900, 1, -1).astype("float32")

    y, p = disc(0), 0.1 + 0.8 * disc(1)
    return [Step(loss, y, p) for loss in (lossforge.HausdorffDistance(), peers.hausdorff_distance)]


def embeddings(size: int, *losses: Callable) -> Callable[[], list[Step]]:
    """Class ids, four examples a class, and embeddings of 128 numbers."""

    def steps():
        return [Step(f, np.arange(size, dtype="int32") // 4, numbers(size, 128)) for f in losses]

    return steps


def views(size: int, *losses: Callable, width: int = 128) -> Callable[[], list[Step]]:
    """Two views of `width` numbers, both with a gradient."""

    def of(loss):
        x, y = numbers(size, width), numbers(size, width, seed=1)
        return Step(lambda _, x, y: loss(x, y), 0, x, y)

    return lambda: [of(loss) for loss in losses]


def pictures(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        x = np.random.default_rng(0).random((8, 256, 256, 3)).astype("float32")
        y = np.clip(x + 0.1 * numbers(8, 256, 256, 3), 0.0, 1.0)
        return [Step(loss, x, y) for loss in (ours, theirs)]

    return steps


def pixels(theirs: Callable) -> Callable[[], list[Step]]:
    """The mean of the hardest pixels; the peer takes (values, how many) to the largest."""
    kept, values = 100_000, np.square(numbers(2_097_152))

    def ours(_, x):
        return tf.reduce_sum(tf.where(x >= tf.stop_gradient(kth_largest(x, kept)), x, 0.0)) / kept

    def mean(_, x):
        return tf.reduce_mean(theirs(x, kept))

    return lambda: [Step(loss, 0, values) for loss in (ours, mean)]


def deep_features() -> list[Step]:
    """LPIPS, and the network alone on both images with a gradient for one."""
    ours = lossforge.LPIPS(backbone="vgg16", weights=None)
    network = lossforge.heads.feature_extractor.FeatureExtractor(
        backbone="vgg16", layers=ours.layers, weights=None
    )
    network.build()

    def theirs(y_true, y_pred):
        both = zip(network(y_true), network(y_pred), strict=True)
        return tf.add_n([tf.reduce_mean(tf.stop_gradient(a) * b) for a, b in both])

    x = np.random.default_rng(0).random((2, 128, 128, 3)).astype("float32")
    return [Step(loss, x, np.flip(x, 1).copy()) for loss in (ours, theirs)]


def million_classes(share: int) -> list[Step]:
    """The margin softmax over one in `share` classes, and over all of them."""
    classes, labels = 1_000_000, np.arange(64, dtype="int32") * 15_000
    head = lossforge.heads.SampledCosineHead(classes, sampled=classes // share, seed=0)
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


def boxes(count: int, ours: Callable, theirs: str) -> Callable[[], list[Step]]:
    def steps():
        import keras_cv

        rng = np.random.default_rng(0)
        corners = rng.uniform(0, 0.5, (2, count, 2))
        corners = np.concatenate([corners, corners + rng.uniform(0.1, 0.5, (2, count, 2))], -1)
        peer = getattr(keras_cv.losses, theirs)(bounding_box_format="xyxy")
        return [Step(loss, *corners.astype("float32")) for loss in (ours, peer)]

    return steps


def sequences() -> list[Step]:
    labels = np.random.default_rng(0).integers(1, 64, (32, 20)).astype("int32")
    both = (lossforge.CTC(from_logits=True), keras.losses.CTC())
    return [Step(loss, labels, numbers(32, 200, 64)) for loss in both]


def sim_clr(x: Any, y: Any) -> Any:
    import keras_cv

    return 0.5 * keras_cv.losses.SimCLRLoss(temperature=0.5)(x, y)  # it adds both views


def normalised(loss: Callable) -> Callable:
    return lambda y, x: loss(y, tf.math.l2_normalize(x, axis=-1))
