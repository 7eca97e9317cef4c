"""A RetinaNet small enough to train on a CPU in seconds."""

from __future__ import annotations

import math

import keras
from keras import layers

from lossforge.tasks.anchors import anchor_grid
from lossforge.tasks.detectors.anchor_detector import AnchorDetector

STRIDES = (8, 16)
SIZES = ((0.2, 0.29), (0.4, 0.57))  # of anchors, as shares of the image's side, for each stride
VARIANCES = (0.1, 0.1, 0.2, 0.2)
PRIOR = 0.01  # probability of an object at an anchor before any training


def small_retinanet(num_classes: int, image_size: int = 96, width: int = 16) -> AnchorDetector:
    """Two levels of a residual trunk, merged top-down, and heads shared between levels.

    Predicts centre and size, so corners cannot swap. Under 0.3 million parameters for 10 classes.

    Args:
        num_classes: C.
        image_size: side of the images, pixels; a multiple of 16.
        width: channels after the stem; deeper stages have twice and four times as many.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, section 4 (heads, prior).
    """
    if image_size % STRIDES[-1]:
        raise ValueError(f"image_size must be a multiple of {STRIDES[-1]}, got {image_size}.")
    images = keras.Input((image_size, image_size, 3), name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = _convolution(x, width, stride=2)
    x = _residual(_convolution(x, 2 * width, stride=2))
    fine = _residual(_convolution(x, 3 * width, stride=2))
    coarse = _residual(_convolution(fine, 4 * width, stride=2))

    channels = 2 * width
    coarse = layers.Conv2D(channels, 1, name="lateral_16")(coarse)
    fine = layers.Conv2D(channels, 1, name="lateral_8")(fine)
    fine = layers.Add()([fine, layers.UpSampling2D(2)(coarse)])
    fine = _convolution(fine, channels)
    coarse = _convolution(coarse, channels)

    per_cell = len(SIZES[0])
    class_head = prediction_head("classification", channels, per_cell * num_classes, prior=PRIOR)
    box_head = prediction_head("box", channels, per_cell * 4)
    logits = [layers.Reshape((-1, num_classes))(class_head(level)) for level in (fine, coarse)]
    offsets = [layers.Reshape((-1, 4))(box_head(level)) for level in (fine, coarse)]
    outputs = {
        "classification": layers.Concatenate(axis=1, dtype="float32")(logits),
        "box": layers.Concatenate(axis=1, dtype="float32")(offsets),
    }
    sizes = [[share * image_size for share in level] for level in SIZES]
    return AnchorDetector(
        keras.Model(images, outputs, name="small_retinanet"),
        anchor_grid(image_size, STRIDES, sizes),
        image_size,
        VARIANCES,
        lambda outputs: (outputs["classification"], outputs["box"]),
    )


def _convolution(x, filters: int, stride: int = 1, kernel: int = 3):
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
    x = _normalised(x)
    return layers.Activation("relu")(x)


def _normalised(x):
    """By the whole batch on several devices: JAX's is whole anyway, TensorFlow's must be told."""
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return layers.BatchNormalization(momentum=0.9, synchronized=on_tensorflow)(x)


def _residual(x):
    y = _convolution(x, x.shape[-1])
    y = layers.Conv2D(x.shape[-1], 3, padding="same", use_bias=False)(y)
    y = _normalised(y)
    return layers.Activation("relu")(layers.Add()([x, y]))


def prediction_head(
    name: str, channels: int, outputs: int, prior: float | None = None
) -> keras.Sequential:
    """Shared by all levels. The last bias makes every anchor a probable background."""
    bias = 0.0 if prior is None else -math.log((1 - prior) / prior)
    return keras.Sequential(
        [
            keras.Input((None, None, channels)),
            layers.Conv2D(channels, 3, padding="same", activation="relu"),
            layers.Conv2D(
                outputs,
                3,
                padding="same",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                bias_initializer=keras.initializers.Constant(bias),
            ),
        ],
        name=f"{name}_head",
    )
