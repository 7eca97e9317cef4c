"""Any loss of elements, weighted by a map of what matters."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, align

CARRIERS = ("target", "prediction")


class AttentionWeighted(Loss):
    """Any loss of elements, weighted by a map that comes with the target or out of the model.

        loss_j = w_j loss(y_j, p_j),    w_j = a_j / mean_j a_j    over the elements j of an example

    The map a >= 0 is the last channel of y_true (`carrier="target"`) or of y_pred
    (`carrier="prediction"`); or the entry "attention" beside "value", where that is a dict. Weights
    of mean 1 keep the size of the loss, and a model cannot lower it by lowering its whole map. A
    map out of the model is held constant in the gradient: it would learn to look at what is easy.

    Reads: what the wrapped loss reads, and the map of shape (batch, ...), one number for each of
        its values.
    Returns: as the wrapped loss.
    Edges: an element of attention 0 does not count at all, not even when it is NaN; below 0 counts
        as 0. A map that is 0 everywhere gives 0. With `sample_weight` or a mask the mean runs over
        the elements that count.
    Source: Xu et al. 2015, Show, Attend and Tell (soft attention); as a weight of the loss:
        Ronneberger et al. 2015, U-Net, equation 1.

    >>> import lossforge
    >>> loss = AttentionWeighted(lossforge.MAE())
    >>> y_true = [[[1.0, 3.0], [1.0, 1.0]]]  # two elements: their value, their attention
    >>> float(loss(y_true, [[[1.0], [2.0]]]))
    0.25

    Args:
        loss: a lossforge Loss with one value for each element.
        carrier: "target" or "prediction", what carries the map.
        normalise: whether weights have mean 1 over each example.
        learn: whether the gradient reaches the map.

    Raises:
        ValueError: for something that is not a loss, or a carrier that does not exist.
    """

    wraps = True
    source = "Xu et al. 2015, Show, Attend and Tell"

    def __init__(
        self,
        loss: Loss,
        carrier: str = "target",
        normalise: bool = True,
        learn: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if not isinstance(loss, Loss):
            raise ValueError(f"AttentionWeighted: loss must be a lossforge Loss, got {loss!r}.")
        if carrier not in CARRIERS:
            raise ValueError(
                f"AttentionWeighted: carrier must be 'target' or 'prediction', got {carrier!r}."
            )
        self.loss, self.carrier = loss, carrier
        self.kinds = loss.kinds
        self.normalise, self.learn = bool(normalise), bool(learn)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.weighted_values(y_true, y_pred)[0]

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        y_true, y_pred, attention = self._split(y_true, y_pred)
        ignored = self.loss.valid(y_true, y_pred)
        if ignored is not None:
            mask = ignored if mask is None else ops.logical_and(mask, ignored)
        weight, mask = self._weight(sample_weight, mask)
        weights = self._of_mean_one(attention, weight, mask)
        if weight is not None:
            weights = weights * align(weight, weights)
        return self.loss.weighted_values(y_true, y_pred, weights, mask)

    def _split(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        carrier = y_true if self.carrier == "target" else y_pred
        if isinstance(carrier, dict):
            value, attention = carrier["value"], carrier["attention"]
        else:
            value, attention = carrier[..., :-1], carrier[..., -1]
        attention = ops.relu(ops.cast(attention, self.dtype))
        if not self.learn:
            attention = ops.stop_gradient(attention)
        if self.carrier == "target":
            return value, y_pred, attention
        return y_true, value, attention

    def _of_mean_one(self, attention: Any, weight: Any, mask: Any) -> Any:
        if not self.normalise or len(attention.shape) < 2:
            return attention
        counts = ops.ones_like(attention)
        if mask is not None:
            counts = counts * ops.cast(align(mask, attention), attention.dtype)
        if weight is not None:
            counts = counts * ops.cast(ops.not_equal(align(weight, attention), 0), attention.dtype)
        axes = tuple(range(1, len(attention.shape)))
        total = ops.sum(attention * counts, axis=axes, keepdims=True)
        return attention * ops.divide_no_nan(ops.sum(counts, axis=axes, keepdims=True), total)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AttentionWeighted:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})
