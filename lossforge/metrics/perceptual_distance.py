"""LPIPS of image batches: how different two images look to a network that learnt from people."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from lossforge.losses.image.perceptual import LPIPS


def lpips(y_true: Any, y_pred: Any, backbone: str = "hed", heads: str = "lpips") -> np.ndarray:
    """The learned perceptual distance of each pair of images; 0 for equal ones, lower is better.

    With `backbone="hed"` the authors' trained heads sit on a VGG16 that was fine-tuned for edges,
    not on the one they were trained with: it ranks images of one study, but its numbers are not
    those of papers. With `backbone="vgg16"` they are close, not equal (Keras's VGG16 is another
    training than torchvision's).

    Args:
        y_true: (B, H, W, 3) uint8, 16 pixels a side or more.
        y_pred: the same.
        backbone: "hed" or "vgg16" (its weights are downloaded by Keras).
        heads: see `lossforge.losses.image.perceptual.LPIPS`.

    Returns: (B,).

    Source: Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric.
    """
    images = [np.asarray(x, "float32") / 255.0 for x in (y_true, y_pred)]
    return np.asarray(ops.convert_to_numpy(_distance(backbone, heads)(*images)))


@functools.cache
def _distance(backbone: str, heads: str) -> Any:
    loss = LPIPS(backbone, heads=heads, reduction=None)
    if keras.backend.backend() != "tensorflow":
        return loss
    import tensorflow as tf

    images = tf.TensorSpec((None, None, None, 3), tf.float32)
    return tf.function(loss, input_signature=[images, images], autograph=False)
