"""What losses on real numbers share: differences, and functions with a slope where it is needed."""

from __future__ import annotations

from typing import Any

from keras import ops


def targets_for(y_true: Any, y_pred: Any) -> Any:
    """Targets in the predictions' dtype; targets (...) fit predictions (..., 1)."""
    if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, axis=-1)
    return ops.cast(y_true, y_pred.dtype)


def targets_beside(y_true: Any, y_pred: Any) -> Any:
    """Targets (..., 1) for the several numbers (..., n) that are predicted of each."""
    if len(y_true.shape) == len(y_pred.shape) - 1:
        y_true = ops.expand_dims(y_true, axis=-1)
    return ops.cast(y_true, y_pred.dtype)


def one_target(y_true: Any, y_pred: Any) -> Any:
    """Targets (...) for predictions (..., n) of the parameters of a distribution."""
    return targets_beside(y_true, y_pred)[..., 0]


def difference(y_true: Any, y_pred: Any) -> Any:
    """y_pred - y_true."""
    return y_pred - targets_for(y_true, y_pred)


def absolute_difference(y_true: Any, y_pred: Any) -> Any:
    """|y_pred - y_true|."""
    return ops.abs(difference(y_true, y_pred))


def by_example(x: Any) -> Any:
    """(batch, ...) as (batch, all others)."""
    if len(x.shape) == 2:
        return x
    return ops.reshape(x, (ops.shape(x)[0], -1))


def mean_of_each(x: Any) -> Any:
    """(batch, n) to (batch,), in the dtype of `x`, also where n is not known yet."""
    return ops.sum(x, axis=-1) / ops.cast(ops.shape(x)[-1], x.dtype)


def safe_sqrt(x: Any) -> Any:
    """sqrt(x) of x >= 0, with slope 0 at 0."""
    empty = x <= 0
    return ops.where(empty, ops.zeros_like(x), ops.sqrt(ops.where(empty, ops.ones_like(x), x)))


def capped_exp(x: Any, cap: float = 20.0) -> Any:
    """exp(x), continued beyond `cap` by its tangent: never infinite, never without a slope."""
    return ops.exp(ops.minimum(x, cap)) * (1.0 + ops.maximum(x - cap, 0.0))


def floored_log(x: Any, floor: float = 1e-7) -> Any:
    """log(x), continued below `floor` by its tangent: finite at 0 and below."""
    return ops.log(ops.maximum(x, floor)) + ops.minimum(x - floor, 0.0) / floor
