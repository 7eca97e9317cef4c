"""Windows that slide over images of any number of spatial axes, one axis at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops


def gaussian_window(size: int, sigma: float) -> np.ndarray:
    """
    >>> gaussian_window(3, 1.0).round(3).tolist()
    [0.274, 0.452, 0.274]
    """
    distance = np.arange(size) - (size - 1) / 2.0
    weights = np.exp(-(distance**2) / (2.0 * sigma**2))
    return weights / weights.sum()


def slide(x: Any, windows: Sequence[np.ndarray]) -> Any:
    """The weighted mean under a separable window, where it fits ("valid").

    Args:
        x: (batch, *spatial, C); every channel by itself.
        windows: weights, one window a spatial axis.
    """
    for axis, window in enumerate(windows, start=1):
        if len(window) > 1:
            x = _slide_along(x, axis, window)
    return x


def _slide_along(x: Any, axis: int, window: np.ndarray) -> Any:
    shape = ops.shape(x)
    channels = shape[-1]
    kernel = np.tile(window[:, None, None, None], (1, 1, channels, 1))
    if len(shape) == 4:
        kernel = kernel if axis == 1 else kernel.transpose(1, 0, 2, 3)
        return ops.depthwise_conv(x, ops.convert_to_tensor(kernel, dtype=x.dtype))
    outer, inner = _product(shape[:axis]), _product(shape[axis + 1 : -1])
    flat = ops.reshape(x, (outer, shape[axis], inner, channels))
    flat = ops.depthwise_conv(flat, ops.convert_to_tensor(kernel, dtype=x.dtype))
    fewer = shape[axis] - len(window) + 1
    return ops.reshape(flat, (*shape[:axis], fewer, *shape[axis + 1 :]))


def halve(x: Any) -> Any:
    """The mean of blocks of two places along each spatial axis; an odd last place is dropped."""
    for axis in range(1, len(x.shape) - 1):
        shape = ops.shape(x)
        half = shape[axis] // 2
        x = ops.take(x, ops.arange(2 * half), axis=axis)
        x = ops.reshape(x, (*shape[:axis], half, 2, *shape[axis + 1 :]))
        x = ops.sum(x, axis=axis + 1) / 2.0
    return x


def pad_reflected(x: Any, margins: Sequence[tuple[int, int]]) -> Any:
    """Mirrors the border pixel too ("symmetric"), `margins` places before and after each axis."""
    return ops.pad(x, ((0, 0), *margins, (0, 0)), mode="symmetric")


def _product(sizes: Sequence[Any]) -> Any:
    result = 1
    for size in sizes:
        result = result * size
    return result
