"""Reading two views of a batch of examples."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.embedding.distances import safe_sqrt


class TwoViews(Loss):
    """The base of losses on two embeddings of each example.

    A subclass writes `values(x, y, counts)`: from (batch, D), (batch, D) and boolean (batch,) to
    one value an example.

    Gradients flow into both views, where both come out of the network (in a `train_step`, say).
    """

    batch_coupled = True
    memory = "O(B^2)"

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        if len(y_pred.shape) != 2 or len(y_true.shape) != 2:
            raise ValueError(
                f"{type(self).__name__} reads two views of shape (batch, D), "
                f"got {tuple(y_true.shape)} and {tuple(y_pred.shape)}."
            )
        counts = ops.reshape(counts, (-1,))
        return self.values(ops.cast(y_true, y_pred.dtype), y_pred, counts)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define values(x, y, counts).")


def both_count(counts: Any) -> Any:
    """(B, B), True where row and column count."""
    return ops.logical_and(counts[:, None], counts[None, :])


def number_of(counts: Any, like: Any) -> Any:
    return ops.maximum(ops.sum(ops.cast(counts, like.dtype)), 1.0)


def centred(x: Any, counts: Any) -> Any:
    """Minus the mean of the rows that count; rows that do not count become 0."""
    weight = ops.cast(counts, x.dtype)[:, None]
    return weight * (x - ops.sum(weight * x, axis=0) / number_of(counts, x))


def standardised(x: Any, counts: Any) -> Any:
    """Each dimension to mean 0 and variance 1 over the rows that count; a constant one to 0."""
    x = centred(x, counts)
    size = ops.stop_gradient(ops.max(ops.abs(x), axis=0, keepdims=True))
    x = x / ops.where(size > 0.0, size, 1.0)
    deviation = safe_sqrt(ops.sum(ops.square(x), axis=0) / number_of(counts, x))
    return x / ops.where(ops.equal(deviation, 0.0), 1.0, deviation)


def sum_of_squared_products(x: Any, y: Any) -> Any:
    """The sum of squares of X^T Y (D x D), by way of B x B matrices where these are smaller."""
    rows, columns = x.shape
    if rows is not None and rows < columns:
        return ops.sum(ops.matmul(x, ops.transpose(x)) * ops.matmul(y, ops.transpose(y)))
    return ops.sum(ops.square(ops.matmul(ops.transpose(x), y)))


def for_all(value: Any, counts: Any) -> Any:
    """One value of the batch, given to each example: their mean is the value."""
    return ops.broadcast_to(value, ops.shape(counts))
