"""One centre a class in the space of embeddings: squared distances for the centre loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.embedding.distances import squared_euclidean


@keras.saving.register_keras_serializable("lossforge")
class Centres(keras.layers.Layer):
    """The squared distance of an embedding to the centre of every class.

    The centres are weights of this layer: the model's optimizer moves them, and the model saves
    them. A model with two outputs trains them beside a classifier:
    `loss={"class": CrossEntropy(), "centre": Centre()}`.

    Reads: embeddings (batch, D).
    Returns: (batch, num_classes), >= 0, in float32 under any policy.
    Source: Wen et al. 2016, A Discriminative Feature Learning Approach for Deep Face Recognition.

    >>> keras.ops.convert_to_numpy(Centres(2)(keras.ops.ones((1, 3)))).tolist()
    [[3.0, 3.0]]

    Args:
        num_classes: how many classes, >= 1.
        initializer: where centres start; the paper's zeros.
    """

    def __init__(self, num_classes: int, initializer: Any = "zeros", **layer: Any) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)
        if not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(f"Centres: num_classes must be a number >= 1, got {num_classes!r}.")
        self.num_classes = num_classes
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        self.centres = self.add_weight(
            shape=(self.num_classes, input_shape[-1]),
            initializer=self.initializer,
            name="centres",
        )

    def call(self, inputs: Any) -> Any:
        return squared_euclidean(inputs, ops.convert_to_tensor(self.centres))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (*input_shape[:-1], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.initializer)
        own = {"num_classes": self.num_classes, "initializer": initializer}
        return {**super().get_config(), **own}
