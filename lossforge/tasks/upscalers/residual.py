"""Residual networks of super-resolution: a small one, SRResNet, EDSR."""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import layers

from lossforge.tasks.upscalers.sub_pixel import BicubicEnlargement, SubPixel, steps_of


def compact(scale: int, channels: int = 32, blocks: int = 4) -> keras.Model:
    """Residual blocks that learn what bicubic enlargement lacks, all on the small image.

    The last convolution starts at 0, so that training starts at the bicubic image.

    Source: EDSR's blocks; the residual over an interpolated image is that of Kim et al. 2016,
    Accurate Image Super-Resolution Using Very Deep Convolutional Networks.
    """
    images = keras.Input((None, None, 3))
    x = layers.Rescaling(4 / 255, offset=-2.0)(images)
    x = layers.Conv2D(channels, 3, padding="same")(x)
    for _ in range(blocks):
        y = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.Conv2D(channels, 3, padding="same")(y)])
    x = layers.Conv2D(3 * scale**2, 3, padding="same", kernel_initializer="zeros")(x)
    base = images
    if scale > 1:
        x = SubPixel(scale)(x)
        base = BicubicEnlargement(scale)(images)
    x = layers.Add(dtype="float32")([base, layers.Rescaling(255.0, dtype="float32")(x)])
    return keras.Model(images, x, name="compact")


def srresnet(scale: int, channels: int = 64, blocks: int = 16) -> keras.Model:
    """SRResNet, the generator of SRGAN; linear at the end.

    Source: Ledig et al. 2017, Photo-Realistic Single Image Super-Resolution Using a Generative
    Adversarial Network, figure 4.
    """
    convolution = functools.partial(layers.Conv2D, channels, 3, padding="same", use_bias=False)
    images = keras.Input((None, None, 3))
    x = layers.Rescaling(2 / 255, offset=-1.0)(images)
    x = first = _prelu(layers.Conv2D(channels, 9, padding="same")(x))
    for _ in range(blocks):
        y = _prelu(layers.BatchNormalization()(convolution()(x)))
        x = layers.Add()([x, layers.BatchNormalization()(convolution()(y))])
    x = layers.Add()([first, layers.BatchNormalization()(convolution()(x))])
    for step in steps_of(scale):
        x = layers.Conv2D(channels * step**2, 3, padding="same")(x)
        x = _prelu(SubPixel(step)(x))
    x = layers.Conv2D(3, 9, padding="same")(x)
    x = layers.Rescaling(127.5, offset=127.5, dtype="float32")(x)
    return keras.Model(images, x, name="srresnet")


def edsr(
    scale: int, channels: int = 64, blocks: int = 16, residual_scale: float = 1.0
) -> keras.Model:
    """EDSR: residual blocks without batch normalisation.

    Source: Lim et al. 2017, Enhanced Deep Residual Networks for Single Image Super-Resolution
    (baseline: 16 blocks of 64; full: 32 of 256 with residuals scaled by 0.1).
    """
    convolution = functools.partial(layers.Conv2D, channels, 3, padding="same")
    images = keras.Input((None, None, 3))
    x = first = convolution()(layers.Rescaling(1 / 255, offset=-0.5)(images))
    for _ in range(blocks):
        y = convolution()(convolution(activation="relu")(x))
        x = layers.Add()([x, y if residual_scale == 1.0 else layers.Rescaling(residual_scale)(y)])
    x = layers.Add()([first, convolution()(x)])
    for step in steps_of(scale):
        x = SubPixel(step)(layers.Conv2D(channels * step**2, 3, padding="same")(x))
    x = layers.Conv2D(3, 3, padding="same")(x)
    x = layers.Rescaling(255.0, offset=127.5, dtype="float32")(x)
    return keras.Model(images, x, name="edsr")


def _prelu(x: Any) -> Any:
    return layers.PReLU(shared_axes=[1, 2])(x)
