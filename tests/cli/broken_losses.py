"""A correct loss, and losses that are each broken in one way that is seen in practice."""

import keras
import numpy as np
from keras import ops

from lossforge.losses.base import Loss


def _picked(y_true, y_pred):
    one_hot = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
    return ops.sum(one_hot * y_pred, axis=-1)


def _error(y_true, y_pred):
    return ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")


def correct(y_true, y_pred):
    return ops.mean(ops.square(_error(y_true, y_pred)), axis=-1)


def wrong_sign(y_true, y_pred):
    return ops.log(ops.clip(_picked(y_true, y_pred), 1e-7, 1.0))


def scalar_too_early(y_true, y_pred):
    return ops.mean(ops.square(y_pred - y_true))


def nan_at_extremes(y_true, y_pred):
    return -ops.log(_picked(y_true, y_pred))


def nan_gradient(y_true, y_pred):
    return ops.sqrt(ops.sum(ops.square(_error(y_true, y_pred)), axis=-1))


def gradient_disagrees(y_true, y_pred):
    size = ops.abs(_error(y_true, y_pred))
    return ops.mean(ops.stop_gradient(size) * size, axis=-1)


def no_gradient(y_true, y_pred):
    size = _error(y_true, y_pred)
    return ops.mean(ops.cast(ops.abs(size) > 0.1, size.dtype) + 0.0 * size, axis=-1)


def label_cast(y_true, y_pred):
    ids = ops.cast(ops.cast(y_true, y_pred.dtype), "int32")
    return -ops.log(ops.cast(_picked(ids, ops.cast(y_pred, "float32")), "float32") + 1e-7)


def float16_overflow(y_true, y_pred):
    return ops.mean(ops.square(ops.cast(y_true, y_pred.dtype) - y_pred), axis=-1)


def does_not_compile(y_true, y_pred):
    return ops.convert_to_tensor(np.square(ops.convert_to_numpy(y_pred - y_true)).mean(-1))


def depends_on_the_batch(y_true, y_pred):
    squared = ops.square(_error(y_true, y_pred))
    return ops.mean(squared, axis=-1) / (1.0 + ops.mean(squared))


def hides_nan(y_true, y_pred):
    squared = ops.square(_error(y_true, y_pred))
    return ops.mean(ops.where(ops.isnan(squared), 0.0, squared), axis=-1)


def magnitude(y_true, y_pred):
    return 1e5 * ops.mean(ops.square(_error(y_true, y_pred)), axis=-1)


def not_least_at_the_target(y_true, y_pred):
    return ops.mean(ops.square(_error(y_true, y_pred) - 0.7), axis=-1)


class FromKeras(keras.losses.Loss):
    """Right, and derived from Keras's own base."""

    def call(self, y_true, y_pred):
        return correct(y_true, y_pred)


class Own(Loss):
    """Right, and derived from ours.

    Reads: (batch, size).
    Returns: (batch,).
    Source: this file.

    >>> 1
    1
    """

    kinds = ("regression",)
    source = "this file"

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)


class Undocumented(Loss):
    kinds = ("regression",)

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)


class InFloat32(Own):
    """Right, but its constants have one dtype.

    Reads: (batch, size).
    Returns: (batch,).
    Source: this file.

    >>> 1
    1
    """

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.where(error > 0, 2.0, 1.0) * ops.square(error), axis=-1)
