"""The running mean of the predictions of each training example."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.global_batch import from_all_replicas


@keras.saving.register_keras_serializable("lossforge")
class RunningTargets(keras.layers.Layer):
    """Remembers, for each training example, what the model has predicted for it so far.

        t <- decay t + (1 - decay) p          in training only; p without gradient, t starts at 0

    The memory is a weight of this layer, not trained by the optimizer: it is saved, restored and
    resumed with the model. A batch must not hold one example twice, over all replicas. Outside
    training the memory is neither read nor moved and targets are 0, because other data has other
    examples.

    Reads: (logits (batch, C), index (batch,) or (batch, 1) of each example in the training set).
    Returns: (batch, 2, C), the logits, then the targets, as `lossforge.ELR` reads them.
    Source: Liu et al. 2020, Early-Learning Regularization Prevents Memorization of Noisy Labels,
        equation 7; Laine and Aila 2017, Temporal Ensembling.

    >>> layer = RunningTargets(num_examples=3, num_classes=2, decay=0.5)
    >>> out = layer([keras.ops.zeros((1, 2)), keras.ops.ones((1,), "int32")], training=True)
    >>> keras.ops.convert_to_numpy(out[0, 1]).tolist()
    [0.25, 0.25]

    Args:
        num_examples: size of the training set, >= 1.
        num_classes: >= 1.
        decay: in [0, 1); the paper's 0.7 (CIFAR-10) or 0.9 (CIFAR-100).

    Raises:
        ValueError: for sizes below 1, or a decay out of range.
    """

    def __init__(
        self, num_examples: int, num_classes: int, decay: float = 0.7, **layer: Any
    ) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)
        for name, number in (("num_examples", num_examples), ("num_classes", num_classes)):
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"RunningTargets: {name} must be at least 1, got {number!r}.")
        if not 0 <= decay < 1:
            raise ValueError(f"RunningTargets: decay must be in [0, 1), got {decay!r}.")
        self.num_examples, self.num_classes = num_examples, num_classes
        self.decay = float(decay)

    def build(self, input_shape: Any) -> None:
        self.memory = self.add_weight(
            shape=(self.num_examples, self.num_classes),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",  # all replicas assign the same
            name="memory",
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        logits, index = inputs
        if not training:
            return ops.stack([logits, ops.zeros_like(logits)], axis=1)
        index = ops.reshape(ops.cast(index, "int32"), (-1, 1))
        before = ops.take(self.memory, index[:, 0], axis=0)
        p = ops.stop_gradient(ops.softmax(logits, axis=-1))
        targets = self.decay * before + (1.0 - self.decay) * p
        seen, now = from_all_replicas(index), from_all_replicas(targets)
        self.memory.assign(ops.scatter_update(ops.convert_to_tensor(self.memory), seen, now))
        return ops.stack([logits, targets], axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        logits, _ = input_shape
        return (logits[0], 2, logits[-1])

    def get_config(self) -> dict[str, Any]:
        own = {"num_examples": self.num_examples, "num_classes": self.num_classes}
        return {**super().get_config(), **own, "decay": self.decay}
