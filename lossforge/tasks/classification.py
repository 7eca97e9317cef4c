"""Classification: one of several classes, scored by accuracy and calibration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossforge.monitor.drawing import confusion_matrix
from lossforge.recipe import Reading, Slot

CURVES = 10  # classes with a curve of their own


class Classification:
    """A network that puts out logits (batch, C); one slot, `classes`.

    Args:
        network: inputs to logits.
        class_names: one a class, in the order of the labels.
        class_counts: training examples of each class; given, losses that need them fit.
    """

    def __init__(
        self,
        network: keras.Model,
        class_names: Iterable[str],
        class_counts: Iterable[int] | None = None,
    ) -> None:
        self.network = network
        self.class_names = tuple(class_names)
        bind: dict[str, Any] = {"task": "multiclass", "from_logits": True}
        if class_counts is not None:
            bind["class_counts"] = tuple(class_counts)
        self.slots = {"classes": Slot("classes", ("multiclass",), bind)}

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        return {"classes": {"multiclass": Reading(target, outputs)}}

    def predict(self, images: Any) -> dict[str, np.ndarray]:
        """`probabilities` (B, C) and `classes` (B,) of a batch of inputs."""
        logits = keras.ops.convert_to_tensor(self.network.predict_on_batch(np.asarray(images)))
        probabilities = np.asarray(keras.ops.softmax(logits, axis=-1))
        return {"probabilities": probabilities, "classes": probabilities.argmax(-1)}

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """Accuracy, balanced accuracy (the mean over classes), expected calibration error."""
        return scores_of(*self._compared(dataset))

    def pictures(self, dataset: Iterable) -> dict[str, np.ndarray]:
        """Which classes are taken for which."""
        found, truth = self._compared(dataset)
        return {"confusion": confusion_matrix(truth, found.argmax(-1), self.class_names)}

    def curves(self, dataset: Iterable) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For curves of precision and recall: each class against the rest, of many the rarest."""
        found, truth = self._compared(dataset)
        counts = np.bincount(truth, minlength=len(self.class_names))
        shown = [c for c in np.argsort(counts, kind="stable") if counts[c]][:CURVES]
        return {f"class_{self.class_names[c]}": (truth == c, found[:, c]) for c in shown}

    def _compared(self, dataset: Iterable) -> tuple[np.ndarray, np.ndarray]:
        """(probabilities, labels) of a whole split."""
        pairs = [(self.predict(x)["probabilities"], np.asarray(y)) for x, y in dataset]
        probabilities, labels = zip(*pairs, strict=True)
        return np.concatenate(probabilities), np.concatenate(labels)

    def deployable(self) -> keras.Model:
        """Inputs to `probabilities` (B, C), in plain layers."""
        inputs = keras.Input(self.network.input_shape[1:], name="images")
        logits = self.network(inputs, training=False)
        softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
        return keras.Model(inputs, {"probabilities": softmax(logits)}, name="classifier")

    def export(self, path: str | Path) -> None:
        """A SavedModel: `serve(images)` gives what `predict` gives. TensorFlow's backend only."""
        import tensorflow as tf

        def serve(images):
            probabilities = tf.nn.softmax(self.network(images, training=False), axis=-1)
            return {"probabilities": probabilities, "classes": tf.argmax(probabilities, -1)}

        archive = keras.export.ExportArchive()
        archive.track(self.network)
        shape = (None, *self.network.input_shape[1:])
        signature = [tf.TensorSpec(shape, tf.float32, name="images")]
        archive.add_endpoint("serve", serve, input_signature=signature)
        archive.write_out(str(path), verbose=False)


def scores_of(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> dict[str, float]:
    """Accuracy, balanced accuracy, and calibration error with bins of equal width.

    Source of the last: Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3.

    >>> scores_of(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))["calibration_error"]
    0.4
    """
    right = probabilities.argmax(-1) == labels
    confidence = probabilities.max(-1)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(np.sum(right[place == b]) - np.sum(confidence[place == b])) for b in np.unique(place)
    ]
    return {
        "accuracy": float(np.mean(right)),
        "balanced_accuracy": float(np.mean([right[labels == c].mean() for c in np.unique(labels)])),
        "calibration_error": round(float(np.sum(gaps) / len(labels)), 12),
    }
