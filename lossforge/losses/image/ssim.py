"""Structural similarity, at one scale and at several, for images and volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.image import pixels, windows
from lossforge.ranges import Choice

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


class SSIM(Loss):
    """One minus structural similarity: brightness, contrast and structure under a sliding window.

        l = (2 m_y m_p + c1) / (m_y^2 + m_p^2 + c1),    c1 = (k1 max_value)^2
        s = (2 v_yp + c2) / (v_y + v_p + c2),           c2 = (k2 max_value)^2
        loss = 1 - mean l s                             in [0, 2]

    m, v: means and (co)variances under a Gaussian window, for each channel. Windows slide one axis
    at a time and over four maps only, and work on volumes just as well (3D SSIM).

    Reads: y_true, y_pred: (batch, *spatial, C), one spatial axis or more.
    Returns: (batch,), the mean over pixels and channels.
    Edges: where an image is smaller than the window, the window is cut to the image. Variances do
        not become negative by rounding. The value equals that of `tf.image.ssim`: population
        moments, and only pixels whose window lies in the image (padding="valid");
        scikit-image's defaults (uniform window, sample moments) give other numbers.
    Source: Wang, Bovik, Sheikh and Simoncelli 2004, Image Quality Assessment: From Error Visibility
        to Structural Similarity, equation 13.

    >>> image = [[[[0.0], [1.0]], [[0.5], [0.0]]]]
    >>> float(SSIM()(image, image))
    0.0

    Args:
        max_value: the range of the images: 1 for [0, 1], 255 for [0, 255].
        window_size: pixels a side.
        sigma: standard deviation of the Gaussian, in pixels; None: a uniform window.
        k1: steadies the brightness where images are dark.
        k2: steadies the structure where images are flat.
        padding: "valid", or "symmetric" so that border pixels count too.

    Raises:
        ValueError: for numbers out of range or a padding that does not exist.
    """

    kinds = ("image",)
    source = "Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural"
    search = {"window_size": Choice((5, 7, 11))}
    variants: ClassVar[tuple[dict[str, Any], ...]] = (
        {"window_size": 5, "sigma": 1.0},
        {"padding": "symmetric", "window_size": 4},
        {"sigma": None, "window_size": 3, "max_value": 2.0},
        {},
    )

    def __init__(
        self,
        max_value: float = 1.0,
        window_size: int = 11,
        sigma: float | None = 1.5,
        k1: float = 0.01,
        k2: float = 0.03,
        padding: str = "valid",
        **base: Any,
    ) -> None:
        super().__init__(**base)
        own = type(self).__name__
        self.max_value = check_range(own, "max_value", max_value, 1e-12)
        self.window_size = int(check_range(own, "window_size", window_size, 1))
        self.sigma = None if sigma is None else check_range(own, "sigma", sigma, 1e-3)
        self.k1 = check_range(own, "k1", k1, 1e-6)
        self.k2 = check_range(own, "k2", k2, 1e-6)
        if padding not in ("valid", "symmetric"):
            raise ValueError(f"{own}: padding must be 'valid' or 'symmetric', got {padding!r}.")
        self.padding = padding

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = pixels.check_images(type(self).__name__, y_true, y_pred)
        brightness, structure = self.maps(y_true, y_pred)
        return 1.0 - pixels.image_mean(brightness * structure)

    def maps(self, x: Any, y: Any) -> tuple[Any, Any]:
        """l and s at every place of the window, from four sliding means."""
        fitted = [_window(n, self.window_size, self.sigma) for n in x.shape[1:-1]]
        if self.padding == "symmetric":
            margins = [((len(w) - 1) // 2, len(w) // 2) for w in fitted]
            x, y = (windows.pad_reflected(image, margins) for image in (x, y))
        axes = tuple(range(1, len(x.shape)))
        # Moments do not change when an image is shifted; centred, they keep their digits.
        shifts = [ops.stop_gradient(pixels.mean_over(image, axes, True)) for image in (x, y)]
        x, y = x - shifts[0], y - shifts[1]
        maps = ops.concatenate([x, y, x * x + y * y, x * y], axis=-1)
        mx, my, squares, product = ops.split(windows.slide(maps, fitted), 4, axis=-1)
        variances = ops.maximum(squares - mx * mx - my * my, 0.0)
        covariance = product - mx * my
        mx, my = mx + shifts[0], my + shifts[1]
        c1, c2 = (self.k1 * self.max_value) ** 2, (self.k2 * self.max_value) ** 2
        brightness = (2.0 * mx * my + c1) / (mx * mx + my * my + c1)
        return brightness, (2.0 * covariance + c2) / (variances + c2)


class MultiScaleSSIM(SSIM):
    """SSIM over scales: structure at every scale, brightness at the coarsest.

        loss = 1 - mean_c (mean l_S s_S)^w_S prod_{j < S} (mean s_j)^w_j

    Means run over the pixels of a channel; scale j + 1 averages blocks of 2 x 2 pixels of scale j
    (an odd last row or column is left out).

    Where the structure of a scale is below 1e-4 (anti-correlated images) it counts as 1e-4, whose
    slope is 0: the power has no gradient there, and `tf.image.ssim_multiscale` then gives NaN.

    Reads: y_true, y_pred: (batch, *spatial, C), with 2^(S - 1) pixels a side or more.
    Returns: (batch,), in [0, 1].
    Edges: as SSIM: the window is cut to images that are smaller, so that 5 scales need 16 pixels a
        side, not 161.
    Source: Wang, Simoncelli and Bovik 2003, Multiscale Structural Similarity for Image Quality
        Assessment, equation 7; means over pixels before the product, as in the authors' code.

    >>> image = [[[[0.0], [1.0]], [[0.5], [0.0]]]]
    >>> float(MultiScaleSSIM(scale_weights=[0.5, 0.5])(image, image))
    0.0

    Args:
        max_value: the range of the images: 1 for [0, 1], 255 for [0, 255].
        window_size: pixels a side.
        sigma: standard deviation of the Gaussian, in pixels; None: a uniform window.
        k1: steadies the brightness where images are dark.
        k2: steadies the structure where images are flat.
        padding: "valid", or "symmetric" so that border pixels count too.
        scale_weights: one exponent > 0 a scale, the finest first; None: the paper's five.

    Raises:
        ValueError: for numbers out of range, or images too small for that many scales.
    """

    kinds = ("image",)
    source = "Wang, Simoncelli and Bovik 2003, Multiscale Structural Similarity"
    search = {}
    variants = (
        {"scale_weights": [0.3, 0.7], "window_size": 3},
        {"scale_weights": [0.2, 0.5, 0.3], "window_size": 5, "padding": "symmetric"},
        {"scale_weights": [1.0]},
    )

    def __init__(
        self,
        max_value: float = 1.0,
        window_size: int = 11,
        sigma: float | None = 1.5,
        k1: float = 0.01,
        k2: float = 0.03,
        padding: str = "valid",
        scale_weights: Sequence[float] | None = None,
        **base: Any,
    ) -> None:
        super().__init__(max_value, window_size, sigma, k1, k2, padding, **base)
        weights = SCALE_WEIGHTS if scale_weights is None else scale_weights
        if not len(weights):
            raise ValueError("MultiScaleSSIM: scale_weights must hold one number or more, got [].")
        for weight in weights:
            check_range("MultiScaleSSIM", "scale_weights", weight, 1e-6)
        self.scale_weights = None if scale_weights is None else [float(w) for w in weights]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        weights = self.scale_weights or SCALE_WEIGHTS
        smallest = 2 ** (len(weights) - 1)
        x, y = pixels.check_images("MultiScaleSSIM", y_true, y_pred, smallest)
        places = tuple(range(1, len(x.shape) - 1))
        log_product = 0.0
        for scale, weight in enumerate(weights):
            if scale:
                x, y = windows.halve(x), windows.halve(y)
            brightness, similarity = self.maps(x, y)
            if scale == len(weights) - 1:
                similarity = brightness * similarity
            mean = pixels.mean_over(similarity, places)
            log_product = log_product + weight * ops.log(ops.maximum(mean, 1e-4))
        return 1.0 - pixels.image_mean(ops.exp(log_product))


def _window(side: int | None, size: int, sigma: float | None) -> np.ndarray:
    size = size if side is None else min(size, side)
    return windows.gaussian_window(size, math.inf if sigma is None else sigma)
