"""Image quality by the similarity of Haar wavelets."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.image import pixels, windows
from lossforge.ranges import Float

CHROMA = ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312))  # I and Q of YIQ


class HaarPSI(Loss):
    """One minus how alike images are in their edges, where either has any.

        s  = mean over two fine scales of (2 a_y a_p + C) / (a_y^2 + a_p^2 + C),  a: |Haar wavelet|
        w  = the larger a of both images at a coarse third scale
        loss = 1 - (l^-1(sum l(s) w / sum w) / alpha)^2,     l(s) = 1 / (1 + exp(-alpha s))

    over all pixels of the luminance at half size, in both directions; for colours also s of the
    means of 2 x 2 pixels of I and Q, weighted by the mean of both w.

    Reads: y_true, y_pred: (batch, height, width, C); three channels are RGB, others are averaged.
    Returns: (batch,), in [0, 1].
    Edges: images need 2 pixels a side; an odd last row or column is left out. Outside the image
        there is black. Where neither image has an edge (both black) the loss is 0.
    Source: Reisenhofer, Bosse, Kutyniok and Wiegand 2018, A Haar Wavelet-Based Perceptual
        Similarity Index for Image Quality Assessment, equations 10 to 14.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).uniform(size=(1, 8, 8, 3))
    >>> abs(round(float(HaarPSI()(image, image)), 4))
    0.0

    Args:
        stability: C > 0, for images in [0, 255]; the paper's 30.
        alpha: how much small differences count, > 0; the paper's 4.2.
        max_value: the range of the images: 1 for [0, 1], 255 for [0, 255].

    Raises:
        ValueError: for numbers out of range, or images too small.
    """

    kinds = ("image",)
    source = "Reisenhofer et al. 2018, A Haar Wavelet-Based Perceptual Similarity Index"
    search = {"stability": Float(5.0, 100.0, log=True), "alpha": Float(2.0, 8.0)}
    variants = ({}, {"stability": 5.0, "alpha": 5.8, "max_value": 2.0})

    def __init__(
        self, stability: float = 30.0, alpha: float = 4.2, max_value: float = 1.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.stability = check_range("HaarPSI", "stability", stability, 1e-6)
        self.alpha = check_range("HaarPSI", "alpha", alpha, 1e-3, 30.0)
        self.max_value = check_range("HaarPSI", "max_value", max_value, 1e-9)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        images = pixels.check_images("HaarPSI", y_true, y_pred, at_least=2)
        y, p = (windows.halve(x * (255.0 / self.max_value)) for x in images)
        pairs = [self._edges(pixels.luminance(y), pixels.luminance(p), axis) for axis in (1, 2)]
        if y.shape[-1] == 3:
            alike = sum(self._alike(*(_chroma(x, w) for x in (y, p))) for w in CHROMA)
            pairs.append((alike / len(CHROMA), 0.5 * (pairs[0][1] + pairs[1][1])))
        total = sum(pixels.image_mean(weight) for _, weight in pairs)
        lifted = sum(pixels.image_mean(ops.sigmoid(self.alpha * s) * w) for s, w in pairs)
        some = ops.logical_not(total <= 0.0)
        mean = ops.where(some, lifted / ops.where(some, total, 1.0), 0.5)
        score = ops.square(ops.log(mean / (1.0 - mean)) / self.alpha)
        return ops.where(some, 1.0 - score, 0.0)

    def _edges(self, y: Any, p: Any, axis: int) -> tuple[Any, Any]:
        """(similarity, weight) of edges across an axis."""
        (fine, middle, coarse) = ([_haar(x, axis, k) for x in (y, p)] for k in (1, 2, 3))
        alike = 0.5 * (self._alike(*fine) + self._alike(*middle))
        return alike, ops.maximum(*coarse)

    def _alike(self, a: Any, b: Any) -> Any:
        c = self.stability
        return 1.0 - ops.square(a - b) / (a * a + b * b + c)


def _haar(x: Any, axis: int, scale: int) -> Any:
    """|second half minus first half of a square of 2^scale pixels|, along an axis."""
    side = 2**scale
    step = np.repeat([-1.0, 1.0], side // 2) / side
    return ops.abs(_slide(x, [step, np.ones(side)] if axis == 1 else [np.ones(side), step]))


def _chroma(x: Any, weights: tuple[float, ...]) -> Any:
    channel = ops.sum(x * ops.convert_to_tensor(weights, dtype=x.dtype), axis=-1, keepdims=True)
    return ops.abs(_slide(channel, [np.full(2, 0.5)] * 2))


def _slide(x: Any, by_axis: list[np.ndarray]) -> Any:
    """A window from half its side before a pixel, with zeros around the image."""
    half = len(by_axis[0]) // 2
    padded = ops.pad(x, ((0, 0), (half - 1, half), (half - 1, half), (0, 0)))
    return windows.slide(padded, by_axis)
