"""Image quality by how unevenly edges are kept."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.image import pixels, windows
from lossforge.losses.image.gradients import filter2d
from lossforge.ranges import Float

PREWITT = [[[1 / 3, 0.0, -1 / 3]] * 3, [[1 / 3] * 3, [0.0] * 3, [-1 / 3] * 3]]


class GMSD(Loss):
    """The spread, over an image, of how alike the edges are: damage in one place counts.

        m = length of Prewitt's gradient of the luminance at half size
        s = (2 m_y m_p + c) / (m_y^2 + m_p^2 + c),   c = stability max_value^2
        loss = standard deviation of s over the image

    Reads: y_true, y_pred: (batch, height, width, C); three channels are RGB, others are averaged.
    Returns: (batch,), in [0, 0.5].
    Edges: images need 4 pixels a side; an odd last row or column is left out, and the border is
        mirrored, where the authors put zeros and so an edge. Slopes are finite at equal images,
        flat images and flat places, where square roots of 0 are NaN in other libraries.
    Source: Xue, Zhang, Mou and Bovik 2014, Gradient Magnitude Similarity Deviation: A Highly
        Efficient Perceptual Image Quality Index, equations 3 to 6.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).uniform(size=(1, 8, 8, 3))
    >>> float(GMSD()(image, image))
    0.0

    Args:
        stability: > 0; the paper's 170 / 255^2.
        max_value: the range of the images: 1 for [0, 1], 255 for [0, 255].

    Raises:
        ValueError: for numbers out of range, or images too small.
    """

    kinds = ("image",)
    source = "Xue, Zhang, Mou and Bovik 2014, Gradient Magnitude Similarity Deviation"
    search = {"stability": Float(1e-4, 1e-1, log=True)}
    variants = ({}, {"stability": 0.1, "max_value": 2.0})

    def __init__(
        self, stability: float = 170.0 / 255.0**2, max_value: float = 1.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.stability = check_range("GMSD", "stability", stability, 1e-9)
        self.max_value = check_range("GMSD", "max_value", max_value, 1e-9)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        images = pixels.check_images("GMSD", y_true, y_pred, at_least=4)
        m, n = (self._edges(x) for x in images)
        c = self.stability * self.max_value**2
        gap = ops.square(m - n) / (m * m + n * n + c)  # 1 - s: no digits lost where s is near 1
        spread = gap - pixels.mean_over(gap, (1, 2, 3), keepdims=True)
        variance = pixels.image_mean(ops.square(spread))
        uneven = ops.logical_not(variance <= 0.0)
        return ops.where(uneven, ops.sqrt(ops.where(uneven, variance, 1.0)), 0.0)

    def _edges(self, x: Any) -> Any:
        x = windows.pad_reflected(windows.halve(pixels.luminance(x)), [(1, 1), (1, 1)])
        return pixels.magnitude(*(filter2d(x, kernel) for kernel in PREWITT))
