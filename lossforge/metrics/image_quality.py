"""How close a restored image is to the original: PSNR, SSIM, MS-SSIM, GMSD, as papers measure."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.image.gradient_similarity import GMSD
from lossforge.losses.image.ssim import SSIM, MultiScaleSSIM

STUDIO_Y = (65.481, 128.553, 24.966)  # of RGB in [0, 1]; Rec. 601 with 16 added


def psnr(y_true: Any, y_pred: Any, channels: str = "y", border: int = 0) -> np.ndarray:
    """Peak signal-to-noise ratio of each image, in decibels.

        psnr = 10 log10(255^2 / mean squared error)

    Args:
        y_true: (B, H, W, 3) uint8.
        y_pred: the same.
        channels: "y", the brightness, as papers on super-resolution report, or "rgb".
        border: pixels left out on each side; papers take the scale.

    Returns: (B,); inf for equal images.

    >>> white, grey = np.full((1, 4, 4, 3), 255, "uint8"), np.full((1, 4, 4, 3), 254, "uint8")
    >>> round(float(psnr(white, grey, "rgb")[0]), 2)
    48.13
    """
    x, y = (prepared(image, channels, border) for image in (y_true, y_pred))
    error = np.mean(np.square(x - y), axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(255.0**2 / error)


def ssim(y_true: Any, y_pred: Any, channels: str = "y", border: int = 0) -> np.ndarray:
    """Structural similarity of each image, in [-1, 1]: Gaussian window of 11 pixels, sigma 1.5.

    Equals scikit-image's with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
    Arguments as of `psnr`.
    """
    return 1.0 - _values(
        SSIM(255.0, reduction=None, dtype="float64"), y_true, y_pred, channels, border
    )


def multi_scale_ssim(y_true: Any, y_pred: Any, channels: str = "y", border: int = 0) -> np.ndarray:
    """SSIM over five scales, in [0, 1]; sides of 16 pixels or more. Arguments as of `psnr`."""
    loss = MultiScaleSSIM(255.0, reduction=None, dtype="float64")
    return 1.0 - _values(loss, y_true, y_pred, channels, border)


def gradient_similarity_deviation(y_true: Any, y_pred: Any, border: int = 0) -> np.ndarray:
    """GMSD of the brightness of each image, 0 for equal ones. Arguments as of `psnr`."""
    loss = GMSD(max_value=255.0, reduction=None, dtype="float64")
    return _values(loss, y_true, y_pred, "y", border)


def prepared(image: Any, channels: str, border: int) -> np.ndarray:
    """(B, H, W, 1 or 3) float64 in 0..255, the border cut off.

    Raises:
        ValueError: for channels that do not exist, an image that is not uint8 RGB, or a border
            that leaves nothing.
    """
    image = np.asarray(image)
    if image.ndim != 4 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"Image metrics read (B, H, W, 3) uint8, got {image.dtype} of shape {image.shape}."
        )
    if channels not in ("y", "rgb"):
        raise ValueError(f"channels must be 'y' or 'rgb', got {channels!r}.")
    if not 0 <= 2 * border < min(image.shape[1:3]):
        raise ValueError(f"border={border} leaves nothing of images of {image.shape[1:3]} pixels.")
    if border:
        image = image[:, border:-border, border:-border]
    return luminance(image) if channels == "y" else image.astype("float64")


def luminance(image: np.ndarray) -> np.ndarray:
    """(..., 1) float64: Y of Y'CbCr by Rec. 601 in 16..235, of uint8 RGB.

    >>> luminance(np.full((1, 1, 3), 255, "uint8")).round(6).tolist()
    [[[235.0]]]
    """
    return (16.0 + image.astype("float64") @ np.asarray(STUDIO_Y) / 255.0)[..., None]


def _values(loss: Any, y_true: Any, y_pred: Any, channels: str, border: int) -> np.ndarray:
    x, y = (prepared(image, channels, border) for image in (y_true, y_pred))
    return np.asarray(ops.convert_to_numpy(loss(x, y)))
