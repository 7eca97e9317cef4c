"""Class weights for millions of classes: each step sees the batch's classes and a sample."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lossforge.losses.embedding.distances import unit

NEVER = -1e4
"""The cosine of a column that does not count; margin losses take it as -1."""


@keras.saving.register_keras_serializable("lossforge")
class SampledCosineHead(keras.layers.Layer):
    """Partial FC: the cosines with one's own class and with a sample of the others.

        columns in training    own class, classes of the batch, `sampled` other classes
        columns otherwise      own class, all classes

    The sample holds one class from each of `sampled` equal strata of the ids, drawn anew each step:
    without repetition, without sorting, without a matrix of all classes. On TensorFlow only the
    rows of these classes get a gradient. A column that is one's own class again, or a class that
    was there before, holds -1e4 and has no share in the softmax.

    Train with the target in the first column: `TargetFirst(ArcFace())`; with
    `TargetFirst(CosFace(margin=0.0))` this is a sampled softmax.

    Reads: (embeddings (batch, D), class ids (batch,) or (batch, 1)).
    Returns: (batch, 1 + batch + sampled) cosines in training, else (batch, 1 + num_classes).
    Source: An et al. 2022, Killing Two Birds with One Stone: Efficient and Robust Training of Face
        Recognition CNNs by Partial FC; sampled softmax: Jean et al. 2015.

    >>> head = SampledCosineHead(1000, sampled=10)
    >>> inputs = [keras.ops.ones((2, 3)), keras.ops.convert_to_tensor([5, 7])]
    >>> head(inputs, training=True).shape[-1]
    13

    Args:
        num_classes: how many classes, >= 1.
        sampled: how many other classes a step, in [1, num_classes]; the paper's tenth.
        seed: of the sample.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self, num_classes: int, sampled: int, seed: int | None = None, **layer: Any
    ) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)
        if not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(
                f"SampledCosineHead: num_classes must be a whole number >= 1, got {num_classes!r}."
            )
        if not isinstance(sampled, int) or not 1 <= sampled <= num_classes:
            raise ValueError(
                f"SampledCosineHead: sampled must be a whole number in [1, {num_classes}], "
                f"got {sampled!r}."
            )
        self.num_classes, self.sampled, self.seed = num_classes, sampled, seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        self.directions = self.add_weight(
            shape=(self.num_classes, input_shape[0][-1]),
            initializer="glorot_normal",
            name="directions",
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        embeddings, labels = inputs
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        x = unit(embeddings)
        batch = unit(ops.take(self.directions, labels, axis=0))
        own = ops.sum(x * batch, axis=-1, keepdims=True)
        if not training:
            every = ops.matmul(x, ops.transpose(unit(ops.convert_to_tensor(self.directions))))
            again = labels[:, None] == ops.arange(self.num_classes)[None, :]
            return ops.concatenate([own, ops.where(again, NEVER, every)], axis=-1)
        classes = self.sample()
        others = unit(ops.take(self.directions, classes, axis=0))
        in_batch = ops.where(_repeats(labels), NEVER, ops.matmul(x, ops.transpose(batch)))
        known = ops.any(labels[:, None] == classes[None, :], axis=0)
        outside = ops.where(known[None, :], NEVER, ops.matmul(x, ops.transpose(others)))
        return ops.concatenate([own, in_batch, outside], axis=-1)

    def sample(self) -> Any:
        """Ids (sampled,) of different classes, ascending."""
        edges = np.arange(self.sampled + 1, dtype="int64") * self.num_classes // self.sampled
        width = (edges[1:] - edges[:-1]).astype("int32")
        share = keras.random.uniform((self.sampled,), seed=self.generator)
        step = ops.cast(share * ops.convert_to_tensor(width, "float32"), "int32")
        return ops.convert_to_tensor(edges[:-1], "int32") + ops.minimum(step, width - 1)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        embeddings, _ = inputs
        batch = embeddings.shape[0]
        columns: int | None = 1 + self.num_classes
        if training:
            columns = None if batch is None else 1 + batch + self.sampled
        return keras.KerasTensor((batch, columns), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"num_classes": self.num_classes, "sampled": self.sampled, "seed": self.seed}
        return {**super().get_config(), **own}


def _repeats(labels: Any) -> Any:
    """(B, B): True where a column is the row's own class, or an earlier column's."""
    same = labels[:, None] == labels[None, :]
    index = ops.arange(ops.shape(labels)[0])
    earlier = ops.any(ops.logical_and(same, index[:, None] < index[None, :]), axis=0)
    return ops.logical_or(same, earlier[None, :])
