"""Losses over a batch, over the batches of all replicas."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, tree

from lossforge.losses.base import Loss, replicas


class GlobalBatch(Loss):
    """A loss over the batch, over the batches of all replicas together.

        loss_i = loss of example i within the concatenation of all replicas' batches

    Under a `tf.distribute` strategy each replica holds a part of the batch, and a contrastive or
    triplet loss sees its own part alone. This wrapper gathers targets, predictions, weights and
    masks, with their gradient, so that R replicas train like one with the whole batch. On one
    replica, and on JAX, whose arrays are whole, it changes nothing.

    Reads: what the wrapped loss reads.
    Returns: as the wrapped loss, for the examples of this replica.
    Edges: each replica holds the global matrix of pairs: O((R B)^2) memory.
    Source: Chen et al. 2020, A Simple Framework for Contrastive Learning, section 2.2.

    >>> import lossforge
    >>> float(GlobalBatch(lossforge.NTXent())([[1.0, 0.0]], [[0.5, 0.5]]))
    0.0

    Args:
        loss: a lossforge Loss, mostly a batch-coupled one.

    Raises:
        ValueError: for something that is not a loss.
    """

    wraps = True
    source = "Chen et al. 2020, A Simple Framework for Contrastive Learning"

    def __init__(self, loss: Loss, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(loss, Loss):
            raise ValueError(f"GlobalBatch: loss must be a lossforge Loss, got {loss!r}.")
        self.loss = loss
        self.kinds = loss.kinds
        self.batch_coupled = loss.batch_coupled

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.valid(y_true, y_pred)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        return self.loss.call_valid(y_true, y_pred, counts)

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        count = replicas()
        if count == 1.0 or not in_a_replica():
            return self.loss.weighted_values(y_true, y_pred, sample_weight, mask)
        weight, mask = self._weight(sample_weight, mask)
        y_true, y_pred, weight, mask = gathered((y_true, y_pred, weight, mask))
        values, divisor = self.loss.weighted_values(y_true, y_pred, weight, mask)
        # `reduce` divides by the number of replicas, whose gradients are summed.
        return own_part(values), divisor / count

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GlobalBatch:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def in_a_replica() -> bool:
    """False where Keras only asks for shapes, outside the replicas."""
    import tensorflow as tf

    return tf.distribute.get_replica_context() is not None


def from_all_replicas(x: Any) -> Any:
    """The rows of all replicas, one replica after the other; `x` itself without a strategy."""
    return x if replicas() == 1.0 or not in_a_replica() else gathered((x,))[0]


def gathered(structure: Any) -> Any:
    """All replicas' batches one after the other, in each tensor of a structure; None stays."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()

    def leaf(x):
        if x is None:
            return None
        if x.dtype == tf.bool:  # what is gathered has a gradient, and so a number's dtype
            return tf.cast(leaf(tf.cast(x, "float32")), "bool")
        return tf.ensure_shape(context.all_gather(x, axis=0), [None, *x.shape[1:]])

    return tuple(tree.map_structure(leaf, part) for part in structure)


def own_part(values: Any) -> Any:
    """This replica's rows; all replicas hold batches of one size."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    rows = ops.shape(values)[0] // context.num_replicas_in_sync
    start = context.replica_id_in_sync_group * rows
    return values[start : start + rows]
