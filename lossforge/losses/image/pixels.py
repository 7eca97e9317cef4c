"""What the losses of images share: means over an image, differences of neighbours, luminance."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

LUMA = (0.299, 0.587, 0.114)


def check_images(loss: str, y_true: Any, y_pred: Any, at_least: int = 1) -> tuple[Any, Any]:
    """Both as floats of one dtype, or a ValueError that says which shapes fit."""
    if len(y_pred.shape) < 3 or len(y_true.shape) != len(y_pred.shape):
        raise ValueError(
            f"{loss} reads images of shape (batch, height, width, channels), "
            f"got y_true {tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}."
        )
    if any(n is not None and n < at_least for n in y_pred.shape[1:-1]):
        raise ValueError(
            f"{loss} needs images of {at_least} pixels or more a side, got {tuple(y_pred.shape)}."
        )
    return ops.cast(y_true, y_pred.dtype), y_pred


def image_mean(x: Any) -> Any:
    """The mean over everything but the batch: (batch,)."""
    return mean_over(x, tuple(range(1, len(x.shape))))


def mean_over(x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    """The mean in the dtype of `x`: Keras's own computes float64 in float32 on JAX."""
    sizes = [ops.shape(x)[axis] for axis in axes]
    if all(isinstance(size, int) for size in sizes):
        return ops.sum(x, axis=axes, keepdims=keepdims) / math.prod(sizes)
    number = ops.cast(ops.prod(ops.stack(sizes)), x.dtype)
    return ops.sum(x, axis=axes, keepdims=keepdims) / number


def forward_difference(x: Any, axis: int) -> Any:
    """x[i + 1] - x[i] along an axis; 0 at the last place, so that the shape stays."""
    size = ops.shape(x)[axis]
    after = ops.take(x, ops.minimum(ops.arange(size) + 1, size - 1), axis=axis)
    return after - x


def luminance(x: Any) -> Any:
    """(batch, height, width, 1): Rec. 601 luma of RGB, otherwise the mean of the channels."""
    channels = x.shape[-1]
    weights = LUMA if channels == 3 else (1.0 / channels,) * channels
    return ops.sum(x * ops.convert_to_tensor(weights, dtype=x.dtype), axis=-1, keepdims=True)


def magnitude(*parts: Any) -> Any:
    """The Euclidean length of parts, with slope 0 where all are 0."""
    squared = sum(ops.square(part) for part in parts)
    some = ops.logical_not(squared <= 0.0)  # NaN stays NaN
    return ops.where(some, ops.sqrt(ops.where(some, squared, 1.0)), 0.0)


def magnitude_over_channels(x: Any) -> Any:
    """(..., 1), with slope 0 where all channels are 0."""
    squared = ops.sum(ops.square(x), axis=-1, keepdims=True)
    some = ops.logical_not(squared <= 0.0)
    return ops.where(some, ops.sqrt(ops.where(some, squared, 1.0)), 0.0)
