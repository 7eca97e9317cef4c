"""Correlation of intensities: images of one scene whose brightness and contrast may differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.image.windows import slide
from lossforge.ranges import Choice


class NormalisedCrossCorrelation(Loss):
    """One minus the correlation of two images, over windows or over the whole.

        plain      cc = (cov + e) / sqrt((var_y + e) (var_p + e))
        squared    cc = (cov^2 + e^2) / (var_y var_p + e^2)
        loss = mean over windows and channels of 1 - cc

    A linear change of intensity in a window costs nothing; squared, neither does an inverted one.
    Windows are square, weigh their pixels alike and lie inside the image; libraries that pad with
    zeros count those at the border too.

    Reads: y_true, y_pred: (batch, *spatial, C); one spatial axis or more.
    Returns: (batch,), in [0, 2], squared in [0, 1].
    Edges: two windows of constant intensity agree, cc = 1, and e says what counts as constant.
    Source: Avants et al. 2008, Symmetric Diffeomorphic Image Registration with Cross-Correlation;
        Balakrishnan et al. 2019, VoxelMorph (windows of 9).

    >>> y = [[[0.0], [0.5], [1.0]]]
    >>> darker = [[[0.1], [0.2], [0.3]]]
    >>> abs(round(float(NormalisedCrossCorrelation(window=None)(y, darker)), 2))
    0.0

    Args:
        window: side of the windows in pixels, >= 2, at most the side of the image; None: one
            window, the whole image (global correlation).
        squared: whether correlation and anticorrelation are alike.
        epsilon: e > 0, a variance.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("image",)
    source = "Avants et al. 2008, Symmetric Diffeomorphic Image Registration"
    search = {"window": Choice((3, 5, 9, None)), "squared": Choice((False, True))}
    variants = (
        {},
        {"window": 4, "squared": False},
        {"window": None, "squared": False},
        {"window": None, "epsilon": 1e-3},
    )

    def __init__(
        self,
        window: int | None = 3,
        squared: bool = True,
        epsilon: float = 1e-5,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        name = "NormalisedCrossCorrelation"
        self.window = None if window is None else int(check_range(name, "window", window, 2))
        self.squared = bool(squared)
        self.epsilon = check_range(name, "epsilon", epsilon, 1e-12)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y, p = centred(ops.cast(y_true, y_pred.dtype)), centred(y_pred)
        mean_y, mean_p = self._mean(y), self._mean(p)
        var_y = ops.maximum(self._mean(y * y) - mean_y * mean_y, 0.0)
        var_p = ops.maximum(self._mean(p * p) - mean_p * mean_p, 0.0)
        cov = self._mean(y * p) - mean_y * mean_p
        e = self.epsilon
        if self.squared:
            cc = (cov * cov + e * e) / (var_y * var_p + e * e)
        else:
            cc = (cov + e) / ops.sqrt((var_y + e) * (var_p + e))
        return mean_of_rest(1.0 - cc)

    def _mean(self, x: Any) -> Any:
        axes = tuple(range(1, len(x.shape) - 1))
        if self.window is None:
            count = ops.cast(ops.size(x[:1, ..., :1]), x.dtype)
            return ops.sum(x, axis=axes, keepdims=True) / count
        sides = [min(self.window, x.shape[axis] or self.window) for axis in axes]
        return slide(x, [np.full(side, 1.0 / side) for side in sides])


def centred(x: Any) -> Any:
    """`x` minus the mean of each image and channel: variances lose no digits to the mean."""
    axes = tuple(range(1, len(x.shape) - 1))
    count = ops.cast(ops.size(x[:1, ..., :1]), x.dtype)
    return x - ops.sum(x, axis=axes, keepdims=True) / count


def mean_of_rest(x: Any) -> Any:
    """(batch,): the mean over all other axes, in the dtype of `x`."""
    flat = ops.reshape(x, (ops.shape(x)[0], -1))
    return ops.sum(flat, axis=-1) / ops.cast(ops.shape(flat)[-1], x.dtype)
