"""Enlargement by sub-pixels, learnt or bicubic."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("lossforge")
class SubPixel(layers.Layer):
    """Lays groups of scale^2 channels out as the pixels of a finer grid (depth to space).

    Reads: (batch, h, w, C scale^2). Returns: (batch, scale h, scale w, C).
    Source: Shi et al. 2016, Real-Time Single Image and Video Super-Resolution Using an Efficient
        Sub-Pixel Convolutional Neural Network, equation 4.

    >>> import numpy as np
    >>> SubPixel(2)(np.arange(4.0).reshape(1, 1, 1, 4))[0, :, :, 0].numpy().tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """

    def __init__(self, scale: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = int(scale)

    def call(self, x: Any) -> Any:
        batch, height, width, channels = ops.shape(x)
        s = self.scale
        x = ops.reshape(x, (batch, height, width, s, s, channels // s**2))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (batch, height * s, width * s, channels // s**2))

    def compute_output_shape(self, shape: Any) -> tuple:
        batch, height, width, channels = shape
        s = self.scale
        sides = [None if side is None else side * s for side in (height, width)]
        return (batch, *sides, channels // s**2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


def steps_of(scale: int) -> list[int]:
    """Factors that make up the scale, twos first: 4 is done in two steps.

    >>> steps_of(4), steps_of(3), steps_of(1)
    ([2, 2], [3], [])
    """
    steps = []
    while scale % 2 == 0:
        steps.append(2)
        scale //= 2
    return steps + ([scale] if scale > 1 else [])


@keras.saving.register_keras_serializable("lossforge")
class BicubicEnlargement(layers.Layer):
    """Bicubic enlargement as one fixed convolution and sub-pixels: exports as plain layers do.

    Reads: (batch, h, w, 3). Returns: (batch, scale h, scale w, 3); the border is mirrored.
    Source: Keys 1981, Cubic Convolution Interpolation for Digital Image Processing (a = -0.5).

    >>> import numpy as np
    >>> BicubicEnlargement(2)(np.full((1, 4, 4, 3), 7.0)).shape[1:] == (8, 8, 3)
    True
    """

    def __init__(self, scale: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.scale = int(scale)
        at = (np.arange(scale) + 0.5) / scale - 0.5  # of each finer pixel, from the coarse one
        taps = keys_cubic(np.abs(at[:, None] - np.arange(-2, 3)))  # (scale, 5)
        kernel = np.einsum("pi,qj,ab->ijapqb", taps, taps, np.eye(3))
        self._kernel = kernel.reshape(5, 5, 3, 3 * scale**2).astype("float32")
        self._spread = SubPixel(scale, dtype=self.dtype_policy)

    def call(self, x: Any) -> Any:
        x = ops.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], mode="symmetric")
        return self._spread(ops.conv(x, ops.convert_to_tensor(self._kernel, x.dtype)))

    def compute_output_shape(self, shape: Any) -> tuple:
        return self._spread.compute_output_shape((*shape[:3], 3 * self.scale**2))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


def keys_cubic(distance: np.ndarray) -> np.ndarray:
    """
    >>> keys_cubic(np.array([0.0, 0.5, 1.0, 2.0])).tolist()
    [1.0, 0.5625, 0.0, 0.0]
    """
    d = distance
    near = 1.5 * d**3 - 2.5 * d**2 + 1.0
    far = -0.5 * d**3 + 2.5 * d**2 - 4.0 * d + 2.0
    return np.where(d <= 1.0, near, np.where(d < 2.0, far, 0.0))
