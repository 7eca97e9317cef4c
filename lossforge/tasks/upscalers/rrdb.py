"""ESRGAN's generator."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from lossforge.tasks.upscalers.sub_pixel import steps_of

SCALED = 0.2  # of residuals, as in the paper


def rrdb(scale: int, channels: int = 64, blocks: int = 23, growth: int = 32) -> keras.Model:
    """Residual-in-residual dense blocks.

    Source: Wang et al. 2018, ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks,
    section 3.1 (nearest-neighbour upsampling as in the authors' code).
    """
    images = keras.Input((None, None, 3))
    x = first = _convolution(channels)(layers.Rescaling(1 / 255)(images))
    for _ in range(blocks):
        y = x
        for _ in range(3):
            y = _dense_block(y, channels, growth)
        x = layers.Add()([x, layers.Rescaling(SCALED)(y)])
    x = layers.Add()([first, _convolution(channels)(x)])
    for step in steps_of(scale):
        x = _leaky(_convolution(channels)(layers.UpSampling2D(step)(x)))
    x = _leaky(_convolution(channels)(x))
    x = layers.Rescaling(255.0, dtype="float32")(_convolution(3)(x))
    return keras.Model(images, x, name="rrdb")


def _dense_block(x: Any, channels: int, growth: int) -> Any:
    maps = [x]
    for _ in range(4):
        joined = layers.Concatenate()(maps) if len(maps) > 1 else x
        maps.append(_leaky(_convolution(growth)(joined)))
    y = _convolution(channels)(layers.Concatenate()(maps))
    return layers.Add()([x, layers.Rescaling(SCALED)(y)])


def _convolution(filters: int) -> layers.Conv2D:
    start = keras.initializers.VarianceScaling(0.02, "fan_in", "untruncated_normal")
    return layers.Conv2D(filters, 3, padding="same", kernel_initializer=start)


def _leaky(x: Any) -> Any:
    return layers.LeakyReLU(0.2)(x)
