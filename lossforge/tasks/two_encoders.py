"""Pictures and vectors that describe them in one space: each is found by the other (CLIP)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossforge.losses.base import Loss
from lossforge.metrics.retrieval import retrieval_metrics
from lossforge.recipe import Reading, Slot
from lossforge.tasks.embedding import UnitLength
from lossforge.tasks.embedding_export import add_gallery
from lossforge.tasks.picture_grid import picture_row, stacked
from lossforge.training.term_model import TermModel


class TwoEncoders:
    """An encoder of images and one of vectors; a loss on views brings their pairs together.

    The slot `views` takes `InfoNCE`, which is CLIP's loss, `SigLIP`, and every other loss on two
    views of an example: here the views are of two kinds.

    Args:
        image_encoder: from images (B, S, S, C), 0..255, to (B, D): its preprocessing is inside.
        attribute_encoder: from vectors (B, A), as measured, to (B, D).

    Source: Radford et al. 2021, Learning Transferable Visual Models From Natural Language
        Supervision; Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training.
    """

    def __init__(self, image_encoder: keras.Model, attribute_encoder: keras.Model) -> None:
        self.embedder = _unit(image_encoder, "embedder")
        self.describer = _unit(attribute_encoder, "describer")
        inputs = [self.embedder.input, self.describer.input]
        outputs = {
            "image": self.embedder.output["embedding"],
            "attributes": self.describer.output["embedding"],
        }
        self.network = keras.Model(inputs, outputs, name="two_encoders")
        self.slots = {"views": Slot("views", ("views",))}

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        """Both embeddings; gradients flow into both."""
        return {"views": {"views": Reading(outputs["image"], outputs["attributes"])}}

    def trainable(self, losses: Mapping[str, Loss]) -> keras.Model:
        return TermModel(self.network, self.read, losses)

    def predict(self, images: Any) -> dict[str, np.ndarray]:
        """`embedding` (B, D) of images (B, S, S, C), 0..255: unit vectors."""
        found = self.embedder.predict_on_batch(np.asarray(images, "float32"))
        return {name: np.asarray(value) for name, value in found.items()}

    def describe(self, attributes: Any) -> np.ndarray:
        """(B, D) unit vectors of attributes (B, A)."""
        found = self.describer.predict_on_batch(np.asarray(attributes, "float32"))
        return np.asarray(found["embedding"])

    def embed(self, dataset: Iterable) -> tuple[np.ndarray, np.ndarray]:
        """(of images, of attributes), (N, D) each, of a whole split."""
        found = [(self.predict(x)["embedding"], self.describe(a)) for x, a in dataset]
        images, attributes = zip(*found, strict=True)
        return np.concatenate(images), np.concatenate(attributes)

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """Recall@1 and @5 of a whole split: `image_recall` finds the image that attributes are of,
        `attributes_recall` the attributes of an image."""
        images, attributes = self.embed(dataset)
        pairs = np.arange(len(images))
        metrics: dict[str, float] = {}
        for name, asked, among in (
            ("image", attributes, images),
            ("attributes", images, attributes),
        ):
            found = retrieval_metrics(asked, pairs, among, pairs)
            metrics |= {f"{name}_recall@{k}": found[f"recall@{k}"] for k in (1, 5)}
        return metrics

    def pictures(self, dataset: Iterable) -> dict[str, np.ndarray]:
        """What is found by the attributes of eight images, evenly spread over the split."""
        pictures = np.concatenate([np.asarray(x) for x, _ in dataset])
        images, attributes = self.embed(dataset)
        return {"found_by_attributes": found_by_attributes(images, attributes, pictures)}

    def deployable(self) -> keras.Model:
        return self.embedder

    def export(self, path: str | Path) -> None:
        """A SavedModel; TensorFlow's backend only.

        serve(images)             embedding (B, D), unit vectors
        describe(attributes)      embedding (B, D) of vectors
        enroll(images, ids)       adds images to the gallery
        search(attributes, k)     ids and similarity (B, k) of the nearest images
        clear()                   empties the gallery
        """
        import tensorflow as tf

        images = tf.TensorSpec((None, *self.embedder.input.shape[1:]), tf.float32, name="images")
        vectors = tf.TensorSpec(
            (None, *self.describer.input.shape[1:]), tf.float32, name="attributes"
        )

        def embed(x: Any) -> Any:
            return self.embedder(x, training=False)["embedding"]

        def describe(x: Any) -> Any:
            return self.describer(x, training=False)["embedding"]

        archive = keras.export.ExportArchive()
        archive.track(self.network)
        archive.add_endpoint("serve", lambda x: {"embedding": embed(x)}, input_signature=[images])
        archive.add_endpoint(
            "describe", lambda x: {"embedding": describe(x)}, input_signature=[vectors]
        )
        dimension = self.embedder.output["embedding"].shape[-1]
        add_gallery(archive, dimension, (embed, images), (describe, vectors))
        archive.write_out(str(path), verbose=False)


def found_by_attributes(
    images: np.ndarray, attributes: np.ndarray, pictures: np.ndarray, rows: int = 8, found: int = 5
) -> np.ndarray:
    """One row a query: the picture that its attributes were measured on, its place among all, and
    the pictures that are found.

    Args:
        images, attributes: (N, D) unit vectors, in pairs.
        pictures: (N, S, S, 3), 0..255.
    """
    pictures = np.clip(np.round(pictures), 0, 255).astype("uint8")
    factor = max(1, 96 // pictures.shape[1])
    pictures = pictures.repeat(factor, axis=1).repeat(factor, axis=2)
    sheet = []
    for query in np.linspace(0, len(pictures) - 1, min(rows, len(pictures))).round().astype(int):
        similar = images @ attributes[query]
        place = 1 + int(np.sum(similar > similar[query]))
        columns = {f"measured on\nplace {place}": pictures[query]}
        for rank, index in enumerate(np.argsort(-similar, kind="stable")[:found], 1):
            word = "it" if index == query else ""
            columns[f"{rank}. {similar[index]:.2f}\n{word}"] = pictures[index]
        sheet.append(picture_row(columns))
    return stacked(sheet)


def attribute_encoder(
    mean: np.ndarray, deviation: np.ndarray, width: int = 128, dimension: int = 64
) -> keras.Model:
    """Two hidden layers on vectors that are standardised inside.

    Args:
        mean: (A,) of the training vectors.
        deviation: (A,) their standard deviation, above 0.
        width: of the hidden layers.
        dimension: of the embedding.
    """
    layers = keras.layers
    vectors = keras.Input((len(mean),), name="attributes")
    x = layers.Normalization(mean=mean, variance=np.square(deviation))(vectors)
    for _ in range(2):
        x = layers.Activation("relu")(layers.Dense(width)(x))
    x = layers.Dense(dimension, use_bias=False)(x)
    return keras.Model(
        vectors, layers.BatchNormalization(momentum=0.9)(x), name="attribute_encoder"
    )


def _unit(encoder: keras.Model, name: str) -> keras.Model:
    embedding = UnitLength(name=f"{name}_unit_length")(encoder.output)
    return keras.Model(encoder.input, {"embedding": embedding}, name=name)
