"""Edges of images: their differences from pixel to pixel, compared or kept small."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.image import pixels
from lossforge.ranges import Choice, Float

KERNELS = {
    "difference": [[[-1.0, 1.0]], [[-1.0], [1.0]]],
    "sobel": [
        [[-0.125, 0.0, 0.125], [-0.25, 0.0, 0.25], [-0.125, 0.0, 0.125]],
        [[-0.125, -0.25, -0.125], [0.0, 0.0, 0.0], [0.125, 0.25, 0.125]],
    ],
    "laplacian": [[[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]],
}


class ImageGradient(Loss):
    """Edges must be where the target has them, and as strong: against blur.

        loss = mean over directions, pixels, channels of |K * y - K * p|^power

    with K the filters of an operator: differences of neighbours, Sobel's (divided by 8, so that a
    slope of 1 a pixel gives 1), or Laplace's.

    Reads: y_true, y_pred: (batch, height, width, C), such as images in [0, 1].
    Returns: (batch,), the mean over the pixels at which the filter fits.
    Edges: images need 2 pixels a side ("difference") or 3.
    Source: Mathieu et al. 2016, Deep Multi-Scale Video Prediction Beyond Mean Square Error,
        equation 6 (which sums; with absolute values inside the difference, so that the sign of an
        edge is free there and is not here); Sobel's filters as in mmagic's GradientLoss.

    >>> image = [[[[0.0], [1.0]], [[0.0], [1.0]]]]
    >>> float(ImageGradient()(image, image))
    0.0

    Args:
        operator: "difference", "sobel" or "laplacian".
        power: 1 or more.

    Raises:
        ValueError: for an operator that does not exist or a power below 1.
    """

    kinds = ("image",)
    source = "Mathieu et al. 2016, Deep Multi-Scale Video Prediction Beyond Mean Square Error"
    search = {"operator": Choice(tuple(KERNELS)), "power": Float(1.0, 2.0)}
    variants = ({}, {"operator": "sobel"}, {"operator": "laplacian", "power": 2.0})

    def __init__(self, operator: str = "difference", power: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        if operator not in KERNELS:
            raise ValueError(
                f"ImageGradient: operator must be one of {', '.join(map(repr, KERNELS))}, "
                f"got {operator!r}."
            )
        self.operator = operator
        self.power = check_range("ImageGradient", "power", power, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        smallest = 2 if self.operator == "difference" else 3
        y_true, y_pred = pixels.check_images("ImageGradient", y_true, y_pred, smallest)
        difference = y_true - y_pred  # filters are linear: one pass serves both images
        filtered = [filter2d(difference, kernel) for kernel in KERNELS[self.operator]]
        means = [pixels.image_mean(self._raised(ops.abs(x))) for x in filtered]
        return sum(means) / len(means)

    def _raised(self, size: Any) -> Any:
        if self.power == 1.0:
            return size
        some = ops.logical_not(size <= 0.0)
        return ops.where(some, ops.power(ops.where(some, size, 1.0), self.power), 0.0)


class TotalVariation(Loss):
    """How much an image varies from pixel to pixel: a regulariser, against noise.

    With dx and dy the differences to the right and to the lower neighbour, 0 at the border:

        anisotropic   loss = mean |dx| + |dy|
        isotropic     loss = mean sqrt(dx^2 + dy^2)
        squared       loss = mean dx^2 + dy^2

    The mean, over pixels and channels, does not grow with the image; several libraries sum.

    Reads: y_pred: (batch, height, width, C); y_true is not read.
    Returns: (batch,); 0 for a constant image.
    Edges: the slope of the isotropic form is 0 where dx = dy = 0.
    Source: Rudin, Osher and Fatemi 1992, Nonlinear Total Variation Based Noise Removal Algorithms.

    >>> float(TotalVariation()([0.0], [[[[0.0], [1.0]], [[0.0], [1.0]]]]))
    0.5

    Args:
        mode: "anisotropic", "isotropic" or "squared".

    Raises:
        ValueError: for a mode that does not exist.
    """

    kinds = ("image_alone",)
    source = "Rudin, Osher and Fatemi 1992, Nonlinear Total Variation Based Noise Removal"
    search = {"mode": Choice(("anisotropic", "isotropic", "squared"))}
    variants = ({}, {"mode": "isotropic"}, {"mode": "squared"})

    def __init__(self, mode: str = "anisotropic", **base: Any) -> None:
        super().__init__(**base)
        if mode not in ("anisotropic", "isotropic", "squared"):
            raise ValueError(
                "TotalVariation: mode must be 'anisotropic', 'isotropic' or 'squared', "
                f"got {mode!r}."
            )
        self.mode = mode

    def call(self, y_true: Any, y_pred: Any) -> Any:
        down, right = (pixels.forward_difference(y_pred, axis) for axis in (1, 2))
        if self.mode == "anisotropic":
            return pixels.image_mean(ops.abs(down) + ops.abs(right))
        if self.mode == "isotropic":
            return pixels.image_mean(pixels.magnitude(down, right))
        return pixels.image_mean(ops.square(down) + ops.square(right))


def filter2d(x: Any, kernel: list[list[float]]) -> Any:
    """Each channel by itself, where the kernel fits (correlation, "valid")."""
    weights = np.asarray(kernel)[:, :, None, None]
    weights = np.repeat(weights, x.shape[-1], axis=2)
    return ops.depthwise_conv(x, ops.convert_to_tensor(weights, dtype=x.dtype), padding="valid")
