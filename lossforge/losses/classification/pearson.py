"""Correlation of a whole batch, for scores whose unit does not matter."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, mean_over_last_axis


class Pearson(Loss):
    """One minus the linear correlation of predictions and targets over the batch.

        z = (x - mean) / standard deviation over the batch
        loss = (z - z')^2 / 2 for each example, whose mean is 1 - r

    Reads: y_true, y_pred: (batch, D), numbers of any unit; one correlation a column, and their
        mean. A loss over the whole batch; half of it is the PLCC loss of image quality.
    Returns: (batch,), 0 when each column is a rising line of the other.
    Edges: predictions that are all alike have z = 0 and no gradient, and cost 1 / 2; so does an
        only example, for 0.
    Source: Pearson 1895, Notes on Regression and Inheritance in the Case of Two Parents.

    >>> round(float(Pearson()([[1.0], [2.0]], [[3.0], [7.0]])), 4)
    0.0
    """

    kinds = ("regression",)
    source = "Pearson 1895, Notes on Regression and Inheritance in the Case of Two Parents"
    batch_coupled = True

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape) - 1:
            y_true = ops.expand_dims(y_true, axis=-1)
        valid = ops.cast(ops.reshape(counts, (-1, 1)), y_pred.dtype)
        y_true = ops.cast(y_true, y_pred.dtype)
        apart = standardised(y_pred, valid) - standardised(y_true, valid)
        return mean_over_last_axis(0.5 * ops.square(apart))


def standardised(x: Any, valid: Any) -> Any:
    """(x - mean) / standard deviation over what counts; 0 where that is 0, whatever the unit."""
    number = ops.maximum(ops.sum(valid), 1.0)
    size = ops.stop_gradient(ops.max(valid * ops.abs(x), axis=0))
    unit = ops.where(size > 0, size, 1.0)  # squares neither overflow nor vanish
    x = x / unit
    x = x - ops.sum(valid * x, axis=0) / number
    variance = ops.sum(valid * x * x, axis=0) / number
    constant = variance <= 1e-12
    deviation = ops.sqrt(ops.where(constant, 1.0, variance))
    return ops.where(constant, 0.0 * x, x / deviation)
