"""Random views of pictures: what stays the same thing to a person, made on whole batches."""

from __future__ import annotations

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Views:
    """How far a view may be from its picture.

    Args:
        least_crop: side of the smallest crop as a share of the picture's, in (0, 1].
        flip: whether half of the views are mirrored left to right.
        brightness: most that is added or taken away, in grey levels.
        contrast: most by which differences from the mean grow or shrink, a share.
        colour: most by which one channel is made stronger or weaker, a share.
        noise: standard deviation of the noise of a pixel, in grey levels.
    """

    least_crop: float = 0.64
    flip: bool = True
    brightness: float = 30.0
    contrast: float = 0.3
    colour: float = 0.15
    noise: float = 8.0

    def __call__(self, images: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
        """One view of each picture.

        Args:
            images: (B, H, W, C), 0..255, any number type.
            size: side of the views in pixels.
            seed: (2,) integers; the same seed gives the same views.

        Returns: (B, size, size, C) float32 in 0..255.
        """
        batch, channels = images.shape[0] or tf.shape(images)[0], images.shape[-1]
        seeds = [tf.cast(seed, tf.int64) + (0, number) for number in range(4)]
        place = tf.random.stateless_uniform((4, batch), seeds[0])
        crop = self.least_crop + (1.0 - self.least_crop) * place[0]
        top, left = place[1] * (1.0 - crop), place[2] * (1.0 - crop)
        right = left + crop
        if self.flip:
            mirrored = place[3] < 0.5
            left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
        boxes = tf.stack([top, left, top + crop, right], axis=-1)
        views = tf.image.crop_and_resize(
            tf.cast(images, tf.float32), boxes, tf.range(batch), (size, size)
        )
        light = tf.random.stateless_uniform((2, batch, 1, 1, 1), seeds[1], -1.0, 1.0)
        gains = tf.random.stateless_uniform((batch, 1, 1, channels), seeds[2], -1.0, 1.0)
        mean = tf.reduce_mean(views, axis=(1, 2), keepdims=True)
        views = (views - mean) * (1.0 + self.contrast * light[0]) + mean
        views = views * (1.0 + self.colour * gains) + self.brightness * light[1]
        noise = tf.random.stateless_normal(tf.shape(views), seeds[3], stddev=self.noise)
        return tf.clip_by_value(views + noise, 0.0, 255.0)
