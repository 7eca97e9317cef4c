"""Labels and predictions of classifiers in log space: stable, with a slope everywhere."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

TASKS = ("binary", "multiclass", "multilabel")
SMALLEST_PROBABILITY = 1e-7


def check_task(loss: str, task: str | None) -> str | None:
    if task is not None and task not in TASKS:
        raise ValueError(f"{loss}: task must be one of {', '.join(TASKS)} or None, got {task!r}.")
    return task


def task_of(task: str | None, y_pred: Any) -> str:
    """The task as given, or by shape: one output is binary, several are exclusive classes."""
    return task or ("binary" if y_pred.shape[-1] == 1 else "multiclass")


def is_class_ids(y_true: Any, y_pred: Any) -> bool:
    """True where targets are class ids of shape (...) or (..., 1) for predictions (..., C)."""
    if len(y_true.shape) == len(y_pred.shape) - 1:
        return True
    return len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1 != y_pred.shape[-1]


def class_ids(y_true: Any, y_pred: Any) -> Any:
    """Integer ids of shape (...)."""
    if len(y_true.shape) == len(y_pred.shape):
        y_true = ops.squeeze(y_true, axis=-1)
    return y_true if is_integer(y_true) else ops.cast(ops.round(y_true), "int32")


def is_integer(x: Any) -> bool:
    return "int" in keras.backend.standardize_dtype(x.dtype)


def one_hot_targets(y_true: Any, y_pred: Any) -> Any:
    """Targets in the shape and dtype of the predictions, from ids, one-hot or soft labels."""
    if is_class_ids(y_true, y_pred):
        return ops.one_hot(class_ids(y_true, y_pred), y_pred.shape[-1], dtype=y_pred.dtype)
    return ops.cast(y_true, y_pred.dtype)


def binary_targets(y_true: Any, y_pred: Any) -> Any:
    """Targets in the shape and dtype of the predictions: (...) and (..., 1) both fit (..., 1)."""
    if len(y_true.shape) == len(y_pred.shape) - 1:
        y_true = ops.expand_dims(y_true, axis=-1)
    return ops.cast(y_true, y_pred.dtype)


def split_pair(loss: str, second: str, head: str, y_pred: Any) -> tuple[Any, Any]:
    """(logits (batch, C), what a head put beside them (batch, C), without gradient)."""
    if len(y_pred.shape) != 3 or y_pred.shape[1] != 2:
        raise ValueError(
            f"{loss} reads (batch, 2, C), logits and {second}, as from {head}; got predictions of "
            f"shape {tuple(y_pred.shape)}."
        )
    return y_pred[:, 0], ops.stop_gradient(y_pred[:, 1])


def log_softmax(y_pred: Any, from_logits: bool) -> Any:
    """log p over the last axis; probabilities are normalised first, as Keras does."""
    if from_logits:
        return ops.log_softmax(y_pred, axis=-1)
    return safe_log(y_pred) - safe_log(ops.sum(y_pred, axis=-1, keepdims=True))


def log_probability_of(ids: Any, y_pred: Any, from_logits: bool) -> Any:
    """(...): log p of each example's class, without a one-hot matrix."""
    if from_logits and keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # one fused kernel for value and gradient

        ids = ids if ids.dtype in (tf.int32, tf.int64) else tf.cast(ids, tf.int32)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(ids, y_pred)
    log_p = log_softmax(y_pred, from_logits)
    return ops.squeeze(ops.take_along_axis(log_p, ids[..., None], axis=-1), axis=-1)


def log_sigmoid(y_pred: Any, from_logits: bool) -> tuple[Any, Any]:
    """log p and log(1 - p) of independent outputs."""
    if from_logits:
        return -ops.softplus(-y_pred), -ops.softplus(y_pred)
    return safe_log(y_pred), safe_log(1.0 - y_pred)


def log_complement(log_p: Any) -> Any:
    """log(1 - p) from log p <= 0, finite with a finite slope at p = 1."""
    return ops.log(-ops.expm1(ops.minimum(log_p, -1e-30)))


def safe_log(p: Any) -> Any:
    """log(p), continued below 1e-7 by its tangent: finite at 0 and never without a slope."""
    floor = SMALLEST_PROBABILITY
    return ops.log(ops.maximum(p, floor)) + ops.minimum(p - floor, 0.0) / floor
