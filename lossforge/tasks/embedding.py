"""Recognition and retrieval: an embedding of unit length, judged on identities by nearest others.

A slot `embedding` takes losses that compare the embeddings of a batch, and losses that read the
cosines of a head with one direction a class. Which of the two ways is taken follows from the loss.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossforge.data.embedding import stacked
from lossforge.errors import RecipeError
from lossforge.heads.cosine_head import CosineHead
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite
from lossforge.losses.embedding.distances import unit
from lossforge.metrics.clustering import clustering_metrics
from lossforge.metrics.retrieval import retrieval_metrics
from lossforge.metrics.verification import equal_error_rate, pair_similarities, tar_at_far
from lossforge.recipe import Reading, Slot
from lossforge.tasks.cross_batch_model import CrossBatchModel
from lossforge.tasks.embedding_export import export_embedder
from lossforge.tasks.embedding_pictures import coloured, embedding_map, hardest_confusions
from lossforge.tasks.verification_picture import roc_picture
from lossforge.training.term_model import TermModel

HEAD_KINDS = ("cosine_logits", "cosine_logits_and_length")
SAME = 1e-5  # unit vectors whose components differ by less are one
MOST_CLUSTERED = 20_000  # images: of more, k-means would take longer than an epoch


class Embedding:
    """A network from images to unit vectors, with a cosine head beside it.

    Args:
        backbone: from images (B, S, S, C), 0..255, to features (B, D): it has its preprocessing
            inside.
        num_classes: identities of the training data, for the head.
        centres: directions a class of the head has; 3 makes ArcFace its sub-centre variant.
        memory: embeddings of past batches that losses on pairs compare with as well (XBM); 0
            for none.
        fars: false-accept rates at which the true-accept rate is a metric.
        calibration: the split on which the exported model's threshold is chosen, such as
            `data.validation`; without one it has no endpoint `verify`.
        far: the false-accept rate of that threshold.
    """

    def __init__(
        self,
        backbone: keras.Model,
        num_classes: int,
        centres: int = 1,
        memory: int = 0,
        fars: Iterable[float] = (1e-2, 1e-3),
        calibration: Iterable | None = None,
        far: float = 1e-3,
    ) -> None:
        if not isinstance(memory, int) or memory < 0:
            raise RecipeError(f"memory must be a whole number from 0, got {memory!r}.")
        if not 0.0 < far < 1.0:
            raise RecipeError(f"far must lie between 0 and 1, got {far!r}.")
        self.memory, self.fars = memory, tuple(fars)
        self.calibration, self.far = calibration, far
        features = keras.layers.Activation("linear", dtype="float32", name="features")(
            backbone.output
        )
        # Adam turns short directions faster, and they grow: each starts as its class's first views.
        short = keras.initializers.RandomNormal(stddev=0.01)
        self.head = CosineHead(num_classes, centres, length=True, initializer=short, name="head")
        embedding = UnitLength(name="embedding")(features)
        self.embedder = keras.Model(backbone.input, {"embedding": embedding}, name="embedder")
        self.network = keras.Model(
            backbone.input, {"embedding": embedding, "cosines": self.head(features)}
        )
        self.slots = {"embedding": Slot("embedding", ("embedding", *HEAD_KINDS))}

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        """Unit vectors for losses on pairs; cosines, with the feature's length last, for others."""
        cosines = outputs["cosines"]
        return {
            "embedding": {
                "embedding": Reading(target, outputs["embedding"]),
                "cosine_logits": Reading(target, cosines[:, :-1]),
                "cosine_logits_and_length": Reading(target, cosines),
            }
        }

    def trainable(self, losses: Mapping[str, Loss]) -> keras.Model:
        """Trains the head only where a loss reads it: it would have no gradient."""
        kinds = {kind for _, leaf in Composite(dict(losses)).leaves() for kind in leaf.kinds}
        self.head.trainable = bool(kinds & set(HEAD_KINDS))
        if self.memory:
            return CrossBatchModel(self.network, self.read, losses, "embedding", self.memory)
        return TermModel(self.network, self.read, losses)

    def predict(self, images: Any) -> dict[str, np.ndarray]:
        """`embedding` (B, D) of images (B, S, S, C), 0..255: unit vectors.

        Raises:
            ValueError: for images that hold NaN or infinity.
        """
        images = np.asarray(images, "float32")
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
        if len(bad):
            raise ValueError(f"Image {bad[0]} of the batch holds NaN or infinity; expected 0..255.")
        found = self.embedder.predict_on_batch(images)
        return {name: np.asarray(value) for name, value in found.items()}

    def embed(self, dataset: Iterable) -> tuple[np.ndarray, np.ndarray]:
        """(embeddings, labels) of a whole split."""
        found = [(self.predict(images)["embedding"], np.asarray(y)) for images, y in dataset]
        embeddings, labels = zip(*found, strict=True)
        return np.concatenate(embeddings), np.concatenate(labels)

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """Recall@1 and @5, R-precision, MAP@R, NMI, AMI, equal error rate, and TAR at each FAR.

        A FAR that the impostor pairs of the split can't resolve is left out, and so are NMI and
        AMI of more than 20,000 images. Warns where all embeddings are equal.
        """
        embeddings, labels = self.embed(dataset)
        metrics = retrieval_metrics(embeddings, labels)
        if len(embeddings) > 1 and np.ptp(embeddings, axis=0).max() < SAME:
            warnings.warn(
                f"All {len(embeddings)} embeddings of the split are equal: the network has "
                "collapsed. A lower learning rate, or a miner that is less hard, mends that.",
                stacklevel=2,
            )
        if len(embeddings) <= MOST_CLUSTERED:
            metrics |= clustering_metrics(embeddings, labels)
        del metrics["precision@1"]  # with one search a query it is recall@1
        genuine, impostor = pair_similarities(embeddings, labels)
        if len(genuine) and len(impostor):
            metrics["eer"] = equal_error_rate(genuine, impostor)
            rates = [tar_at_far(genuine, impostor, far, warn=False) for far in self.fars]
            metrics |= {f"tar@far={rate.far:g}": rate.tar for rate in rates if rate.resolved}
        return metrics

    def pictures(self, dataset: Iterable) -> dict[str, np.ndarray]:
        """The worst mistakes in a split."""
        return {"hardest_confusions": hardest_confusions(*self.points(dataset))}

    def final_pictures(self, dataset: Iterable) -> dict[str, np.ndarray]:
        """A t-SNE map of the images of a split, a second or more; and its ROC."""
        points = self.points(dataset)
        found = {"embedding_map": embedding_map(*points)}
        pairs = pair_similarities(*points[:2])
        return found | ({"roc": roc_picture(*pairs)} if all(map(len, pairs)) else {})

    def points(self, dataset: Iterable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(embeddings, labels, images (N, S, S, 3) uint8) of a split."""
        images, labels = stacked(dataset)
        return self.embed(dataset)[0], labels, coloured(images)

    def deployable(self) -> keras.Model:
        return self.embedder

    def export(self, path: str | Path) -> None:
        """A SavedModel to embed, verify, enroll and search with: see `export_embedder`."""
        rate = None
        if self.calibration is not None:
            pairs = pair_similarities(*self.embed(self.calibration))
            if all(map(len, pairs)):
                rate = tar_at_far(*pairs, self.far)
        export_embedder(path, self.embedder, rate)


@keras.saving.register_keras_serializable("lossforge")
class UnitLength(keras.layers.Layer):
    """Rows of length 1, in float32 under any policy; the zero vector stays zero.

    >>> keras.ops.convert_to_numpy(UnitLength()(keras.ops.ones((1, 4)))).tolist()
    [[0.5, 0.5, 0.5, 0.5]]
    """

    def __init__(self, **layer: Any) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)

    def call(self, inputs: Any) -> Any:
        return unit(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def small_backbone(
    image_size: int, channels: int = 3, width: int = 24, dimension: int = 64
) -> keras.Model:
    """Four convolutions with batch normalisation, for pictures of 24 to 64 pixels.

    The embedding is normalised over the batch too, as in ArcFace's networks: its cosines then
    spread over both signs from the first step.

    Args:
        image_size: side of the pictures.
        channels: 3 for colour, 1 for grey.
        width: of the first convolution; the later ones have two and four times as many.
        dimension: of the embedding.
    """
    layers = keras.layers
    image = keras.Input((image_size, image_size, channels), name="images")
    x = layers.Rescaling(1 / 64, offset=-2.0)(image)
    for filters, stride in ((1, 2), (2, 2), (2, 1), (4, 2)):
        x = layers.Conv2D(width * filters, 3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(dimension, use_bias=False)(x)
    return keras.Model(image, layers.BatchNormalization(momentum=0.9)(x), name="backbone")
