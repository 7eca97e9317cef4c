"""Images compared by their Fourier coefficients."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.image import pixels
from lossforge.ranges import Choice, Float


class Fourier(Loss):
    """Images compared frequency by frequency, so that fine texture counts as much as shape.

    With F the orthonormal two-dimensional Fourier transform of a channel:

        complex      loss = mean |Re(F_y - F_p)| + |Im(F_y - F_p)|      or the squares of both
        amplitude    loss = mean | |F_y| - |F_p| |                      or its square

    Reads: y_true, y_pred: (batch, height, width, C), such as images in [0, 1].
    Returns: (batch,), the mean over frequencies and channels.
    Edges: amplitudes say nothing about position: a shifted image costs 0. The slope of an amplitude
        at 0 is 0.
    Source: Cho et al. 2021, Rethinking Coarse-to-Fine Approach in Single Image Deblurring (complex,
        absolute); Dhariwal et al. 2020, Jukebox: A Generative Model for Music, section 3.3
        (amplitude; the squares, as in MONAI's JukeboxLoss for images).

    >>> image = [[[[0.0], [1.0]], [[0.0], [1.0]]]]
    >>> float(Fourier()(image, image))
    0.0

    Args:
        compare: "complex" or "amplitude".
        power: 1 for absolute values, 2 for squares.

    Raises:
        ValueError: for anything else.
    """

    kinds = ("image",)
    source = "Cho et al. 2021, Rethinking Coarse-to-Fine Approach in Single Image Deblurring"
    search = {"compare": Choice(("complex", "amplitude")), "power": Choice((1, 2))}
    variants = ({}, {"power": 2}, {"compare": "amplitude"}, {"compare": "amplitude", "power": 2})

    def __init__(self, compare: str = "complex", power: int = 1, **base: Any) -> None:
        super().__init__(**base)
        if compare not in ("complex", "amplitude"):
            raise ValueError(f"Fourier: compare must be 'complex' or 'amplitude', got {compare!r}.")
        if power not in (1, 2):
            raise ValueError(f"Fourier: power must be 1 or 2, got {power!r}.")
        self.compare = compare
        self.power = int(power)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = pixels.check_images("Fourier", y_true, y_pred)
        cost = ops.abs if self.power == 1 else ops.square
        if self.compare == "complex":
            real, imaginary = spectrum(y_true - y_pred)
            return pixels.image_mean(cost(real) + cost(imaginary))
        amplitudes = [pixels.magnitude(*spectrum(x)) for x in (y_true, y_pred)]
        return pixels.image_mean(cost(amplitudes[0] - amplitudes[1]))


class FocalFrequency(Loss):
    """Squared error of the spectrum, most where it is largest: the frequencies that are hard.

        d = |F_y - F_p|^2,   w = d^(alpha / 2) / max over frequencies, held constant
        loss = mean w d

    F is the orthonormal two-dimensional Fourier transform of a channel; the maximum is taken for
    each image and channel, as in the authors' code.

    Reads: y_true, y_pred: (batch, height, width, C), such as images in [0, 1].
    Returns: (batch,), the mean over frequencies, channels and patches.
    Edges: equal images cost 0; alpha = 0 is the mean squared error of pixels.
    Source: Jiang et al. 2021, Focal Frequency Loss for Image Reconstruction and Synthesis,
        equations 5 to 8.

    >>> image = [[[[0.0], [1.0]], [[0.0], [1.0]]]]
    >>> float(FocalFrequency()(image, image))
    0.0

    Args:
        alpha: how much hard frequencies count more, >= 0; the paper's 1.
        patches: patches a side, 1 or more, each with its own spectrum; height and width must be
            divisible by it.
        log_weight: whether w is log(1 + d^(alpha / 2)), normalised in the same way.

    Raises:
        ValueError: for numbers out of range, or images that cannot be cut into such patches.
    """

    detached = True
    kinds = ("image",)
    source = "Jiang et al. 2021, Focal Frequency Loss for Image Reconstruction and Synthesis"
    search = {"alpha": Float(0.0, 2.0)}
    variants = ({}, {"alpha": 0.5, "patches": 2}, {"log_weight": True}, {"alpha": 0.0})

    def __init__(
        self, alpha: float = 1.0, patches: int = 1, log_weight: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("FocalFrequency", "alpha", alpha, 0.0)
        self.patches = int(check_range("FocalFrequency", "patches", patches, 1))
        self.log_weight = bool(log_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = pixels.check_images("FocalFrequency", y_true, y_pred)
        distance = sum(ops.square(part) for part in spectrum(self._cut(y_true - y_pred)))
        weight = ops.stop_gradient(self._emphasis(distance))
        return pixels.image_mean(weight * distance)

    def _emphasis(self, distance: Any) -> Any:
        some = distance > 0.0
        weight = ops.power(ops.where(some, distance, 1.0), self.alpha / 2.0)
        weight = ops.where(some, weight, 1.0 if self.alpha == 0.0 else 0.0)
        if self.log_weight:
            weight = ops.log1p(weight)
        largest = ops.max(weight, axis=(-2, -1), keepdims=True)
        return weight / ops.where(largest > 0.0, largest, 1.0)

    def _cut(self, x: Any) -> Any:
        """(batch, height, width, C) -> (batch, patch rows, patch columns, C * patches^2)."""
        n = self.patches
        if n == 1:
            return x
        _, height, width, channels = ops.shape(x)
        if any(isinstance(side, int) and side % n for side in (height, width)):
            raise ValueError(
                f"FocalFrequency: images of {height} x {width} cannot be cut into "
                f"patches={n} equal parts a side."
            )
        x = ops.reshape(x, (-1, n, height // n, n, width // n, channels))
        x = ops.transpose(x, (0, 2, 4, 1, 3, 5))
        return ops.reshape(x, (-1, height // n, width // n, n * n * channels))


def spectrum(x: Any) -> tuple[Any, Any]:
    """(real, imaginary) of the orthonormal transform, each (batch, C, height, width)."""
    x = ops.transpose(x, (0, 3, 1, 2))
    height, width = ops.shape(x)[2:]
    real, imaginary = ops.fft2((x, ops.zeros_like(x)))
    scale = ops.sqrt(ops.cast(height * width, x.dtype))
    return real / scale, imaginary / scale
