"""Layers that remember: a centre, a queue of keys, a memory of embeddings with their classes.

What they remember are weights that no optimizer trains: saved, restored and resumed with the model.
Outside training nothing moves. Under `tf.distribute` a queue takes what all replicas see, and a
centre their mean, so that all replicas remember the same.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.embedding.distances import unit
from lossforge.losses.embedding.pairs import InBatch
from lossforge.losses.global_batch import from_all_replicas


@keras.saving.register_keras_serializable("lossforge")
class RunningCentre(keras.layers.Layer):
    """Takes the running mean off the logits of a teacher, so that no cluster takes all (DINO).

        y = x - c,     then  c <- decay c + (1 - decay) mean of x      in training only

    Reads: (batch, K). Returns: (batch, K), for `DINO(centring=None)` as y_true.
    Source: Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers,
        equation 4.

    >>> layer = RunningCentre(decay=0.5)
    >>> first, second = (layer(keras.ops.ones((2, 1)), training=True) for _ in range(2))
    >>> float(second[0, 0])
    0.5

    Args:
        decay: in [0, 1); the paper's 0.9.

    Raises:
        ValueError: for a decay out of range.
    """

    def __init__(self, decay: float = 0.9, **layer: Any) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)
        if not 0 <= decay < 1:
            raise ValueError(f"RunningCentre: decay must be in [0, 1), got {decay!r}.")
        self.decay = float(decay)

    def build(self, input_shape: Any) -> None:
        self.centre = self.add_weight(
            shape=(input_shape[-1],),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
            name="centre",
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        centred = inputs - self.centre
        if training:
            mean = ops.mean(ops.stop_gradient(centred), axis=tuple(range(len(inputs.shape) - 1)))
            self.centre.assign_add((1.0 - self.decay) * mean)
        return centred

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay": self.decay}


@keras.saving.register_keras_serializable("lossforge")
class KeyQueue(keras.layers.Layer):
    """A queue of keys of earlier batches as negatives (MoCo).

        y = [cos(q, k), cos(q, queue_1), ..., cos(q, queue_size)] / temperature
        then the batch's keys replace the oldest ones, in training only

    Train with the target in the first column: `TargetFirst(CrossEntropy(from_logits=True))`. The
    queue starts with random directions.

    Reads: (queries (batch, D), keys (batch, D)); keys get no gradient.
    Returns: (batch, 1 + size) logits.
    Source: He et al. 2020, Momentum Contrast for Unsupervised Visual Representation Learning,
        algorithm 1.

    >>> KeyQueue(8)([keras.ops.ones((2, 3)), keras.ops.ones((2, 3))]).shape[-1]
    9

    Args:
        size: how many keys to remember, at least a batch of all replicas; the paper's 65536.
        temperature: > 0; the paper's 0.07.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(self, size: int, temperature: float = 0.07, **layer: Any) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)
        self.size = _size("KeyQueue", size)
        if not temperature > 0:
            raise ValueError(f"KeyQueue: temperature must be > 0, got {temperature!r}.")
        self.temperature = float(temperature)

    def build(self, input_shape: Any) -> None:
        self.queue = _remembered(self, (self.size, input_shape[1][-1]), "queue", "random_normal")
        self.place = _remembered(self, (), "place", "zeros", "int32")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        queries, keys = unit(inputs[0]), ops.stop_gradient(unit(inputs[1]))
        queue = unit(ops.convert_to_tensor(self.queue))
        own = ops.sum(queries * keys, axis=-1, keepdims=True)
        others = ops.matmul(queries, ops.transpose(queue))
        if training:
            _enqueue(self.place, self.size, (self.queue, keys))
        return ops.concatenate([own, others], axis=-1) / self.temperature

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (input_shape[0][0], 1 + self.size)

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "temperature": self.temperature}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("lossforge")
class CrossBatchMemory(keras.layers.Layer):
    """An embedding loss against the embeddings of earlier batches too (XBM).

        added loss = weight * mean_i loss_i,    over pairs of the batch with the batch and memory
        then the batch's embeddings and classes replace the oldest ones, in training only

    Embeddings pass through unchanged, so that the model's own loss reads them as before. The
    memory holds constants: it gets no gradient. Start it after a warm-up, when embeddings drift
    slowly: `layer.weight` may be moved by a callback.

    Reads: (embeddings (batch, D), class ids (batch,) or (batch, 1)). Returns: the embeddings.
    Source: Wang et al. 2020, Cross-Batch Memory for Embedding Learning.

    >>> import lossforge
    >>> layer = CrossBatchMemory(lossforge.Contrastive(margin=3.0), size=4)
    >>> for x in (0.0, 1.0):
    ...     same = layer([keras.ops.full((1, 1), x), keras.ops.zeros((1,), "int32")], training=True)
    >>> float(layer.losses[0])  # 1 from the example of the first batch, of the same class
    0.5

    Args:
        loss: an in-batch loss, such as Contrastive, Triplet or SupCon.
        size: how many embeddings to remember, at least a batch of all replicas; memory is
            O((batch + size)^2).
        weight: factor of the added loss, >= 0.

    Raises:
        ValueError: for a loss that does not compare the embeddings of a batch, or a bad size.
    """

    def __init__(self, loss: InBatch, size: int = 1024, weight: float = 1.0, **layer: Any) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)
        if not isinstance(loss, InBatch):
            raise ValueError(
                f"CrossBatchMemory: loss must be an in-batch loss of embeddings, got {loss!r}."
            )
        if not weight >= 0:
            raise ValueError(f"CrossBatchMemory: weight must be >= 0, got {weight!r}.")
        self.loss, self.size = loss, _size("CrossBatchMemory", size)
        self.weight = float(weight)

    def build(self, input_shape: Any) -> None:
        self.memory = _remembered(self, (self.size, input_shape[0][-1]), "memory")
        self.classes = _remembered(self, (self.size,), "classes", dtype="int32")
        self.filled = _remembered(self, (self.size,), "filled")
        self.place = _remembered(self, (), "place", dtype="int32")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x, labels = inputs
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        if training:
            self.add_loss(self.weight * self._against_memory(x, labels))
            now = (self.memory, ops.stop_gradient(x)), (self.classes, labels)
            _enqueue(self.place, self.size, *now, (self.filled, ops.ones_like(x[:, 0])))
        return x

    def _against_memory(self, x: Any, labels: Any) -> Any:
        rows = ops.concatenate([x, ops.convert_to_tensor(self.memory)], axis=0)
        classes = ops.concatenate([labels, ops.convert_to_tensor(self.classes)])
        anchor = ops.concatenate([ops.ones_like(x[:, 0]), ops.zeros_like(rows[: self.size, 0])])
        filled = ops.concatenate([ops.ones_like(x[:, 0]), ops.convert_to_tensor(self.filled)])
        index = ops.arange(ops.shape(rows)[0])
        counts = ops.logical_and(anchor[:, None] > 0, filled[None, :] > 0)
        same = classes[:, None] == classes[None, :]
        positive = ops.logical_and(same, index[:, None] != index[None, :])
        positive, negative = (ops.logical_and(m, counts) for m in (positive, ops.logical_not(same)))
        values = self.loss.pair_values(rows, positive, negative)
        return ops.mean(values[: ops.shape(x)[0]])

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        own = {"loss": keras.saving.serialize_keras_object(self.loss)}
        return {**super().get_config(), **own, "size": self.size, "weight": self.weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CrossBatchMemory:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def _size(layer: str, size: int) -> int:
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"{layer}: size must be a whole number >= 1, got {size!r}.")
    return size


def _remembered(layer, shape, name, initializer="zeros", dtype="float32"):
    return layer.add_weight(
        shape=shape,
        initializer=initializer,
        dtype=dtype,
        trainable=False,
        aggregation="only_first_replica",
        name=name,
    )


def _enqueue(place: Any, size: int, *now: tuple[Any, Any]) -> None:
    """Puts the rows of each (queue, rows) in the oldest places; `place` counts the rows so far."""
    queues = [(queue, from_all_replicas(new)) for queue, new in now]
    rows = ops.shape(queues[0][1])[0]
    start = ops.convert_to_tensor(place)
    where = ((start + ops.arange(rows)) % size)[:, None]
    for queue, new in queues:
        queue.assign(ops.scatter_update(ops.convert_to_tensor(queue), where, new))
    place.assign((start + rows) % size)
