"""Networks that tell real images from generated ones. Scores are raw: losses do the rest."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def patch_discriminator(
    channels: int = 32, depth: int = 3, spectral_normalisation: bool = False
) -> keras.Model:
    """One score for each patch of an image of any size.

    Each of `depth` strided convolutions doubles the channels and halves the image; a score sees
    34 pixels a side with a depth of 2, 70 with 3.

    Reads: (batch, height, width, 3), RGB in [0, 1]. Returns: (batch, h, w, 1).
    Source: Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks,
    section 3.2.2 (PatchGAN; without batch normalisation, which couples the images of a batch);
    spectral normalisation: Miyato et al. 2018, Spectral Normalization for Generative Adversarial
    Networks.

    >>> patch_discriminator(4, 2)(keras.ops.zeros((1, 32, 48, 3))).shape[1:] == (8, 12, 1)
    True
    """
    images = keras.Input((None, None, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(images)
    for index in range(depth):
        x = _convolution(x, channels * 2**index, 4, 2, spectral_normalisation)
    x = _convolution(x, channels * 2**depth, 4, 1, spectral_normalisation)
    scores = layers.Conv2D(1, 4, padding="same", dtype="float32")
    scores = layers.SpectralNormalization(scores) if spectral_normalisation else scores
    return keras.Model(images, scores(x), name="patch_discriminator")


def srgan_discriminator(
    image_size: int, channels: int = 64, spectral_normalisation: bool = False
) -> keras.Model:
    """One score for an image of one size: eight convolutions, and two dense layers.

    Batch normalisation as in the paper, or spectral normalisation in its place.

    Reads: (batch, image_size, image_size, 3), RGB in [0, 1]. Returns: (batch, 1).
    Source: Ledig et al. 2017, Photo-Realistic Single Image Super-Resolution Using a Generative
    Adversarial Network, figure 4.
    """
    images = keras.Input((image_size, image_size, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(images)
    for index in range(8):
        width = channels * 2 ** (index // 2)
        x = _convolution(x, width, 3, 1 + index % 2, spectral_normalisation, normalise=index > 0)
    x = layers.Dense(16 * channels)(layers.Flatten()(x))
    x = layers.LeakyReLU(0.2)(x)
    return keras.Model(images, layers.Dense(1, dtype="float32")(x), name="srgan_discriminator")


def _convolution(
    x: Any, filters: int, size: int, strides: int, spectral: bool, normalise: bool = False
) -> Any:
    convolution = layers.Conv2D(filters, size, strides, padding="same")
    if spectral:
        x = layers.SpectralNormalization(convolution)(x)
    else:
        x = convolution(x)
        x = layers.BatchNormalization()(x) if normalise else x
    return layers.LeakyReLU(0.2)(x)
