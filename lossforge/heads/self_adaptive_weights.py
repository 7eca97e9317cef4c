"""Weights of collocation points that are trained against the network."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("lossforge")
class SelfAdaptiveWeights(keras.layers.Layer):
    """Multiplies the residual of each collocation point by a weight that seeks to raise the loss.

        output = weight_i residual_i

    The network lowers the residuals while the weights climb where these stay large: a saddle
    point. The weights' gradient is reversed here, so one optimizer trains both, and they are saved
    with the model. A squared residual so has the weight squared, the paper's mask m(w) = w^2.

    Reads: residuals (points, ...), always of the same points in the same order.
    Source: McClenny and Braga-Neto 2020, Self-Adaptive Physics-Informed Neural Networks using a
        Soft Attention Mechanism.

    >>> SelfAdaptiveWeights(points=2)(ops.ones((2, 1))).shape[0]
    2

    Args:
        points: how many collocation points there are, >= 1.
        initial: the weight at the start, > 0.

    Raises:
        ValueError: for points or initial out of range, or another number of residuals.
    """

    def __init__(self, points: int, initial: float = 1.0, **layer: Any) -> None:
        super().__init__(**layer)
        if not isinstance(points, int) or points < 1:
            raise ValueError(
                f"SelfAdaptiveWeights: points must be an integer of at least 1, got {points!r}."
            )
        if not initial > 0:
            raise ValueError(f"SelfAdaptiveWeights: initial must be above 0, got {initial!r}.")
        self.points, self.initial = points, initial

    def build(self, input_shape: Any) -> None:
        self.weight = self.add_weight(
            name="weight",
            shape=(self.points,),
            initializer=keras.initializers.Constant(self.initial),
        )

    def call(self, residuals: Any) -> Any:
        if residuals.shape[0] not in (None, self.points):
            raise ValueError(
                f"SelfAdaptiveWeights: made for {self.points} points, "
                f"got residuals of shape {tuple(residuals.shape)}."
            )
        weight = ops.convert_to_tensor(self.weight)
        climbing = 2.0 * ops.stop_gradient(weight) - weight
        return residuals * ops.reshape(climbing, (-1, *[1] * (len(residuals.shape) - 1)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "points": self.points, "initial": self.initial}
