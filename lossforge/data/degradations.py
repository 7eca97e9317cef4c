"""How a sharp photograph becomes the small, blurred or noisy one that a network has to restore."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from lossforge.errors import RecipeError


@dataclass(frozen=True)
class Degradation:
    """Blur, antialiased bicubic reduction, noise, JPEG: in this order, each optional.

    Source: the order is that of Zhang et al. 2018, Learning a Single Convolutional Super-Resolution
    Network for Multiple Degradations; bicubic with antialiasing is MATLAB's `imresize`, with which
    the benchmarks of super-resolution are made.

    Args:
        scale: reduction of both sides, 1 to 8; 1 keeps the size.
        blur: standard deviation of a Gaussian on the sharp photograph, in its pixels; 0 is none.
        noise: standard deviation of white noise on the small photograph, in grey levels of 0..255.
        jpeg: quality of JPEG, 1 to 100; None is none.

    Raises:
        RecipeError: for numbers out of range.

    >>> Degradation(scale=4, noise=5.0).random
    True
    """

    scale: int = 2
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.scale, numbers.Integral) or not 1 <= self.scale <= 8:
            raise RecipeError(f"scale must be a whole number from 1 to 8, got {self.scale!r}.")
        for name, most in (("blur", 20.0), ("noise", 255.0)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not 0 <= value <= most:
                raise RecipeError(f"{name} must be a number from 0 to {most:g}, got {value!r}.")
        if self.jpeg is not None and (
            not isinstance(self.jpeg, numbers.Integral) or not 1 <= self.jpeg <= 100
        ):
            raise RecipeError(f"jpeg must be None or a quality from 1 to 100, got {self.jpeg!r}.")
        if (self.scale, self.blur, self.noise, self.jpeg) == (1, 0, 0, None):
            raise RecipeError("Nothing is degraded: set scale above 1, blur, noise or jpeg.")

    @property
    def random(self) -> bool:
        """Whether the same photograph comes out differently each time."""
        return self.noise > 0

    def reduce(self, image: tf.Tensor) -> tf.Tensor:
        """The part that is the same each time: blur and reduction, rounded to 8 bits.

        Args:
            image: (H, W, 3) uint8; both sides a multiple of `scale`.

        Returns: (H / scale, W / scale, 3) uint8.
        """
        x = tf.cast(image, tf.float32)
        if self.blur:
            x = gaussian_blur(x, self.blur)
        return as_uint8(resize(x, tf.shape(image)[:2] // self.scale))

    def spoil(self, image: tf.Tensor, seed: Any) -> tf.Tensor:
        """The rest: noise and JPEG on a small uint8 photograph or a patch of it."""
        if self.noise:
            noise = tf.random.stateless_normal(tf.shape(image), seed, stddev=self.noise)
            image = as_uint8(tf.cast(image, tf.float32) + noise)
        if self.jpeg is not None:
            shape = image.shape
            image = tf.io.decode_jpeg(tf.io.encode_jpeg(image, quality=int(self.jpeg)), channels=3)
            image = tf.ensure_shape(image, shape)
        return image


def resize(image: tf.Tensor, size: Any) -> tf.Tensor:
    """Bicubic (Keys 1981, a = -0.5), with antialiasing where the image becomes smaller."""
    return tf.image.resize(image, size, "bicubic", antialias=True)


def enlarge(image: tf.Tensor, scale: int) -> tf.Tensor:
    """The bicubic baseline: (..., H, W, C) to `scale` times the size."""
    return resize(image, scale * tf.shape(image)[-3:-1])


def gaussian_blur(image: tf.Tensor, sigma: float) -> tf.Tensor:
    """(H, W, C) float32 under a Gaussian of three standard deviations a side, mirrored outside."""
    radius = max(1, round(3 * sigma))
    at = tf.range(-radius, radius + 1, dtype=tf.float32)
    window = tf.exp(-0.5 * tf.square(at / sigma))
    window = window / tf.reduce_sum(window)
    x = tf.pad(image, [[radius, radius], [radius, radius], [0, 0]], "SYMMETRIC")
    x = tf.transpose(x, (2, 0, 1))[..., None]  # channels as a batch
    x = tf.nn.conv2d(x, window[:, None, None, None], 1, "VALID")
    x = tf.nn.conv2d(x, window[None, :, None, None], 1, "VALID")
    return tf.transpose(x[..., 0], (1, 2, 0))


def as_uint8(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)
