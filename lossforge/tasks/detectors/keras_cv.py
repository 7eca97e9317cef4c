"""keras-cv's detectors, built from raw configuration: no preset, no download.

keras-cv 0.9 is no longer developed. Here it gives networks, anchors and YOLOV8's assigner; targets,
losses, decoding and metrics are ours.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from lossforge.losses.boxes import box_geometry
from lossforge.recipe import Reading, Slot
from lossforge.tasks.detectors.anchor_detector import AnchorDetector
from lossforge.tasks.detectors.small_retinanet import PRIOR, VARIANCES, prediction_head

ANCHORS_A_CELL = 9


def retinanet(num_classes: int, image_size: int, width: int = 64) -> AnchorDetector:
    """keras-cv's RetinaNet on a ten-layer ResNet, slim enough for a CPU (0.7 M parameters)."""
    from keras_cv.models import ResNetBackbone

    backbone = ResNetBackbone(
        stackwise_filters=[64] * 4,
        stackwise_blocks=[1] * 4,
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=True,
        block_type="basic_block",
        input_shape=(image_size, image_size, 3),
    )
    return _retinanet(
        backbone,
        num_classes,
        image_size,
        feature_pyramid=_pyramid(backbone, width),
        classification_head=prediction_head(
            "classification", width, ANCHORS_A_CELL * num_classes, prior=PRIOR
        ),
        box_head=prediction_head("box", width, ANCHORS_A_CELL * 4),
    )


def retinanet_resnet50(num_classes: int, image_size: int) -> AnchorDetector:
    """keras-cv's RetinaNet as in the paper: ResNet-50, 256 channels, untrained."""
    from keras_cv.models import ResNetBackbone

    backbone = ResNetBackbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=[3, 4, 6, 3],
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=True,
        block_type="block",
        input_shape=(image_size, image_size, 3),
    )
    return _retinanet(backbone, num_classes, image_size)


def _retinanet(backbone: Any, num_classes: int, image_size: int, **parts: Any) -> AnchorDetector:
    from keras_cv.models import RetinaNet

    model = RetinaNet(backbone, num_classes, bounding_box_format="xyxy", **parts)
    levels = model.anchor_generator(image_shape=(image_size, image_size, 3))
    anchors = np.concatenate([ops.convert_to_numpy(level) for level in levels.values()])

    def split(outputs: Any) -> tuple[Any, Any]:
        dy, dx, dh, dw = (outputs["box"][..., index] for index in range(4))
        return outputs["classification"], ops.stack([dx, dy, dw, dh], axis=-1)

    anchors = anchors.astype("float32")
    return AnchorDetector(_plain(model), anchors, image_size, VARIANCES, split)


def _plain(model: Any) -> keras.Model:
    """The network without keras-cv's own training and prediction steps."""
    return keras.Model(model.inputs[0], model.output, name=type(model).__name__.lower())


def _pyramid(backbone: Any, width: int) -> keras.Model:
    """P3 to P7 of `width` channels; keras-cv's own has 256."""
    channels = {
        level: backbone.get_layer(backbone.pyramid_level_inputs[level]).output.shape[-1]
        for level in ("P3", "P4", "P5")
    }
    inputs = {level: keras.Input((None, None, c), name=level) for level, c in channels.items()}
    p5 = layers.Conv2D(width, 1)(inputs["P5"])
    p4 = layers.Add()([layers.Conv2D(width, 1)(inputs["P4"]), layers.UpSampling2D(2)(p5)])
    p3 = layers.Add()([layers.Conv2D(width, 1)(inputs["P3"]), layers.UpSampling2D(2)(p4)])
    p6 = layers.Conv2D(width, 3, 2, "same")(inputs["P5"])
    p7 = layers.Conv2D(width, 3, 2, "same")(layers.ReLU()(p6))
    smooth = [layers.Conv2D(width, 3, padding="same")(level) for level in (p3, p4, p5)]
    return keras.Model(inputs, [*smooth, p6, p7], name="pyramid")


def yolo_v8(num_classes: int, image_size: int) -> YoloV8:
    """keras-cv's YOLOV8 in its smallest size, untrained."""
    from keras_cv.models import YOLOV8Backbone, YOLOV8Detector

    backbone = YOLOV8Backbone(
        stackwise_channels=[32, 64, 128, 256],
        stackwise_depth=[1, 2, 2, 1],
        include_rescaling=True,
        input_shape=(image_size, image_size, 3),
    )
    return YoloV8(YOLOV8Detector(backbone, num_classes, "xyxy", fpn_depth=1), image_size)


class YoloV8:
    """YOLOV8 behind the contract of detectors: anchor points, boxes as distributions of distances.

    Losses read what task-aligned assignment gives: slot `classification` soft targets (B, A, C)
    against probabilities, weight C / sum of targets; slot `box`, where positive, boxes in units of
    the image's side (Kind `boxes`) or of the stride (Kind `regression`, times 4), weighted by the
    target score.

    Args:
        model: a `keras_cv.models.YOLOV8Detector`.
        image_size: side of the square images, pixels; a multiple of 32.
    """

    slots = {
        "classification": Slot(
            "classification",
            ("multilabel", "quality"),
            {"task": "multilabel", "from_logits": False, "reduction": "sum"},
        ),
        "box": Slot("box", ("boxes", "regression"), {"reduction": "sum"}),
    }

    def __init__(self, model: Any, image_size: int) -> None:
        from keras_cv.src.models.object_detection.yolo_v8.yolo_v8_detector import get_anchors

        if image_size % 32:
            raise ValueError(f"image_size must be a multiple of 32, got {image_size}.")
        self.network = _plain(model)
        self.image_size = image_size
        self._assigner = model.label_encoder
        points, strides = get_anchors(image_shape=(image_size, image_size, 3))
        self._points = ops.convert_to_numpy(points)
        self._strides = ops.convert_to_numpy(strides)[:, None]

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        boxes, scores = self._predicted(outputs)
        real = ops.cast(target["labels"] >= 0, "float32")[..., None]
        matched, qualities, positive = self._assigner.assign(
            ops.stop_gradient(scores),
            ops.stop_gradient(boxes),
            ops.convert_to_tensor(self._points * self._strides),
            ops.cast(target["labels"], "float32"),
            ops.cast(target["boxes"], "float32"),
            real > 0,
        )
        matched, qualities = ops.stop_gradient(matched), ops.stop_gradient(qualities)
        positive = ops.cast(positive, "bool")
        total = ops.maximum(ops.sum(qualities), 1.0)
        found = ops.sum(qualities, axis=-1) * ops.cast(positive, "float32") / total
        everywhere = ops.ones_like(found) * (scores.shape[-1] / total)
        classification = Reading(qualities, scores, everywhere)
        harmless = box_geometry.where_real
        near = harmless(positive, matched / self.image_size)
        guess = harmless(positive, boxes / self.image_size)
        steps = ops.convert_to_tensor(self._strides)
        return {
            "classification": {"multilabel": classification, "quality": classification},
            "box": {
                "boxes": Reading(near, guess, found),
                "regression": Reading(
                    harmless(positive, matched / steps),
                    harmless(positive, boxes / steps),
                    4.0 * found,
                ),
            },
        }

    def decode(self, outputs: Any) -> tuple[Any, Any]:
        """Boxes x1 y1 x2 y2 in pixels (B, A, 4), inside the image, and scores (B, A, C)."""
        boxes, scores = self._predicted(outputs)
        return ops.clip(boxes, 0.0, float(self.image_size)), scores

    def _predicted(self, outputs: Any) -> tuple[Any, Any]:
        """Boxes in pixels and probabilities. A side is a mean over 16 distances."""
        bins = outputs["boxes"].shape[-1] // 4
        shares = ops.reshape(outputs["boxes"], (-1, len(self._points), 4, bins))
        shares = ops.softmax(ops.cast(shares, "float32"), axis=-1)
        distances = ops.sum(shares * ops.arange(bins, dtype="float32"), axis=-1)
        points = ops.convert_to_tensor(self._points)
        corners = [points - distances[..., :2], points + distances[..., 2:]]
        boxes = ops.concatenate(corners, axis=-1) * ops.convert_to_tensor(self._strides)
        return boxes, ops.cast(outputs["classes"], "float32")
