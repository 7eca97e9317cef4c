"""Learning without labels: two views of a picture are alike. Judged by a linear probe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from lossforge.data.embedding import stacked
from lossforge.metrics.linear_probe import linear_probe
from lossforge.recipe import Reading, Slot
from lossforge.tasks.embedding_pictures import coloured


class TwoViews:
    """An encoder and a projector; the loss reads projections, the probe and the export features.

    Args:
        encoder: from images (B, S, S, C), 0..255, to features (B, D).
        labelled: (images, labels) on which the probe is fitted.
        projection: dimensions of the two dense layers of the projector.
        few: labels a class of the probe that has few.

    Source: Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations.
    """

    def __init__(
        self,
        encoder: keras.Model,
        labelled: tuple[np.ndarray, np.ndarray],
        projection: tuple[int, int] = (128, 64),
        few: int = 5,
    ) -> None:
        self.labelled, self.few = labelled, few
        image = encoder.input_shape[1:]
        features = keras.layers.Activation("linear", dtype="float32", name="float32")(
            encoder.output
        )
        self.encoder = keras.Model(encoder.input, {"features": features}, name="encoder")
        projector = keras.Sequential(
            [
                keras.layers.Dense(projection[0], use_bias=False),
                keras.layers.BatchNormalization(),
                keras.layers.Activation("relu"),
                keras.layers.Dense(projection[1]),
            ],
            name="projector",
        )
        views = keras.Input((2, *image), name="views")
        one_by_one = ops.reshape(views, (-1, *image))
        projected = projector(self.encoder(one_by_one)["features"])
        projected = ops.reshape(projected, (-1, 2, projection[1]))
        self.network = keras.Model(
            views, {"first": projected[:, 0], "second": projected[:, 1]}, name="two_views"
        )
        self.slots = {"views": Slot("views", ("views",))}

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        """The two projections; gradients flow into both."""
        return {"views": {"views": Reading(outputs["first"], outputs["second"])}}

    def predict(self, images: Any) -> dict[str, np.ndarray]:
        """`features` (B, D) of images (B, S, S, C), 0..255."""
        found = self.encoder.predict_on_batch(np.asarray(images, "float32"))
        return {name: np.asarray(value) for name, value in found.items()}

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """Accuracy of a linear probe with few labels a class (five draws), and with all."""
        images, labels = self.labelled
        known = np.concatenate(
            [self.predict(images[i : i + 256])["features"] for i in range(0, len(images), 256)]
        )
        pairs = [(self.predict(x)["features"], np.asarray(y)) for x, y in dataset]
        features, truth = (np.concatenate(part) for part in zip(*pairs, strict=True))
        return {
            f"probe@{self.few}": linear_probe(known, labels, features, truth, self.few),
            "probe": linear_probe(known, labels, features, truth),
        }

    def points(self, dataset: Iterable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(features, labels, images (N, S, S, 3) uint8) of a split, for TensorBoard's projector."""
        images, labels = stacked(dataset)
        return self.predict(images)["features"], labels, coloured(images)

    def deployable(self) -> keras.Model:
        return self.encoder

    def export(self, path: str | Path) -> None:
        """A SavedModel: `serve(images)` gives what `predict` gives. TensorFlow's backend only."""
        import tensorflow as tf

        archive = keras.export.ExportArchive()
        archive.track(self.encoder)
        images = tf.TensorSpec((None, *self.encoder.input_shape[1:]), tf.float32, name="images")
        archive.add_endpoint(
            "serve", lambda images: self.encoder(images, training=False), input_signature=[images]
        )
        archive.write_out(str(path), verbose=False)
