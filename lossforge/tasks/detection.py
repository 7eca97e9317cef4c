"""Detection: what is predicted, how it is scored, and what is exported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossforge.metrics.average_precision import average_precision
from lossforge.metrics.precision_recall import right_detections
from lossforge.monitor.drawing import COLOURS, TRUTH, draw_boxes, grid

SHOWN = 8  # images in a picture
SURE = 0.3  # detections below this score are not drawn


class Detection:
    """A detector with its classes: predicts boxes, is scored by COCO AP, exports with NMS inside.

    Args:
        detector: has `network`, `slots`, `read` and `decode` (see `lossforge.tasks.detectors`).
        class_names: one a class, in the order of the labels.
        max_detections: boxes kept in an image.
        iou_threshold: of two boxes of a class that overlap more, non-maximum suppression keeps the
            better.
        score_threshold: boxes below it are dropped.
    """

    def __init__(
        self,
        detector: Any,
        class_names: Iterable[str],
        max_detections: int = 100,
        iou_threshold: float = 0.5,
        score_threshold: float = 0.01,
    ) -> None:
        self.detector = detector
        self.network = detector.network
        self.slots = detector.slots
        self.read = detector.read
        self.class_names = tuple(class_names)
        self.max_detections = max_detections
        self.iou_threshold = iou_threshold
        self.score_threshold = score_threshold
        self._decoding = _Decoding(detector)

    def predict(self, images: Any) -> dict[str, np.ndarray]:
        """Boxes of a batch of images (B, S, S, 3), 0..255.

        Returns: `boxes` (B, N, 4), x1 y1 x2 y2 in pixels, `scores` and `classes` (B, N) by falling
        score, `count` (B,): how many of the N are real.
        """
        boxes, scores = self._decoding.predict_on_batch(np.asarray(images, "float32"))
        return {n: np.asarray(x) for n, x in self._suppress(boxes, scores).items()}

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """COCO's AP, AP50 and AP75 on (images, targets) batches."""
        predictions, truth = self._compared(dataset)
        return average_precision(predictions, truth, self.max_detections)

    def curves(self, dataset: Iterable) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For a curve of precision and recall at IoU 0.5: is each detection right, its score."""
        return {"detections_at_iou_50": right_detections(*self._compared(dataset))}

    def pictures(self, dataset: Iterable) -> dict[str, np.ndarray]:
        """The first images: objects in green, detections with class and score in other colours."""
        images, target = next(iter(dataset))
        images = np.asarray(images)[:SHOWN]
        predictions, truth = self._compared([(images, target)])
        drawn = [self._drawn(*each) for each in zip(images, predictions, truth, strict=True)]
        return {"detections": grid(drawn, columns=4)}

    def deployable(self) -> keras.Model:
        """Images (B, S, S, 3), 0..255, to `boxes` (B, A, 4), x1 y1 x2 y2 in pixels, and `scores`
        (B, A, C), in plain layers. Non-maximum suppression is left to the runtime: few formats
        have it."""
        boxes, scores = self.detector.decode(self.network.output)
        return keras.Model(self.network.input, {"boxes": boxes, "scores": scores}, name="detector")

    def _compared(self, dataset: Iterable) -> tuple[list[dict], list[dict]]:
        """Predictions and truth, one mapping an image."""
        predictions, truth = [], []
        for images, target in dataset:
            found = self.predict(images)
            for index, count in enumerate(found["count"]):
                predictions.append(
                    {n: found[n][index, :count] for n in ("boxes", "scores", "classes")}
                )
                truth.append({n: np.asarray(target[n][index]) for n in ("boxes", "labels")})
        return predictions, truth

    def _drawn(self, image: np.ndarray, found: dict, truth: dict) -> np.ndarray:
        real, sure = truth["labels"] >= 0, found["scores"] >= SURE
        classes = found["classes"][sure]
        texts = [
            f"{self.class_names[c]}: {score:.2f}"
            for c, score in zip(classes, found["scores"][sure], strict=True)
        ]
        boxes = np.concatenate([truth["boxes"][real], found["boxes"][sure]])
        colours = [TRUTH] * int(real.sum()) + [COLOURS[c % len(COLOURS)] for c in classes]
        scale = max(1, 288 // len(image))
        return draw_boxes(image, boxes, [""] * int(real.sum()) + texts, colours, scale)

    def export(self, path: str | Path) -> None:
        """A SavedModel: `serve(images)` gives what `predict` gives. TensorFlow's backend only."""
        import tensorflow as tf

        def serve(images):
            boxes, scores = self.detector.decode(self.network(images, training=False))
            return self._suppress(boxes, scores)

        archive = keras.export.ExportArchive()
        archive.track(self.network)
        size = self.detector.image_size
        signature = [tf.TensorSpec((None, size, size, 3), tf.float32, name="images")]
        archive.add_endpoint("serve", serve, input_signature=signature)
        archive.write_out(str(path), verbose=False)

    def _suppress(self, boxes: Any, scores: Any) -> dict[str, Any]:
        import tensorflow as tf

        found = tf.image.combined_non_max_suppression(
            tf.convert_to_tensor(boxes)[:, :, None, :],
            tf.convert_to_tensor(scores),
            max_output_size_per_class=self.max_detections,
            max_total_size=self.max_detections,
            iou_threshold=self.iou_threshold,
            score_threshold=self.score_threshold,
            clip_boxes=False,
        )
        classes = tf.cast(found.nmsed_classes, tf.int32)
        names = ("boxes", "scores", "classes", "count")
        values = (found.nmsed_boxes, found.nmsed_scores, classes, found.valid_detections)
        return dict(zip(names, values, strict=True))


class _Decoding(keras.Model):
    """The network and its decoding as one compiled call."""

    def __init__(self, detector: Any) -> None:
        super().__init__(name="decoding", dtype="float32")
        self.network = detector.network
        self._decode = detector.decode

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self._decode(self.network(images, training=False))
