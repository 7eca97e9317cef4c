"""The one seam for losses that read several outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, replicas
from lossforge.losses.composite import Composite
from lossforge.recipe import Reading

Readings = dict[str, dict[str, Reading]]


class TermModel(keras.Model):
    """Trains a network on the sum of one loss per slot.

    Plain `compile` gives each loss one output. Here `read(target, outputs)` says what a loss of
    each Kind reads in each slot, so a box loss can read decoded boxes and an offset loss coded
    ones. The total is the sum over slots; each slot and each term of a Composite is in the logs as
    `terms/<slot>` and `terms/<slot>/<term>`.

    Args:
        network: the model to train; its weights are this model's weights.
        read: (target, outputs) -> {slot: {kind: Reading}}; with a third argument where `fit` gets
            sample weights.
        losses: a Loss or Composite for each slot. All of a slot's Kinds must be among those that
            `read` gives.
    """

    def __init__(
        self,
        network: keras.Model,
        read: Callable[..., Readings],
        losses: Mapping[str, Loss],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.built = network.built  # so that BackupAndRestore may load before the first step
        self._read = read
        self.terms = Composite(dict(losses))
        self._trackers = self.terms.track()

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.network(x, training=training)

    @property
    def metrics(self) -> list:
        known = super().metrics
        return known + [m for m in self._trackers if not any(m is k for k in known)]

    def readings(
        self, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool
    ) -> Readings:
        """What each slot's losses read."""
        if sample_weight is None:
            return self._read(y, outputs)
        return self._read(y, outputs, sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        readings = self.readings(x, y, y_pred, sample_weight, training)
        values = {
            slot: slot_value(loss, readings[slot]) for slot, loss in self.terms.losses.items()
        }
        total = self.terms.combine(values)
        for extra in self.losses:
            total = total + ops.cast(extra, total.dtype) / replicas()
        return total


def slot_value(loss: Loss, readings: Mapping[str, Reading]) -> Any:
    """The loss on the reading of its Kind; a Composite routes each of its terms."""
    if isinstance(loss, Composite):
        return loss.combine({n: slot_value(leaf, readings) for n, leaf in loss.losses.items()})
    reading = readings[next(kind for kind in loss.kinds if kind in readings)]
    value = loss(reading.y_true, reading.y_pred, reading.sample_weight)
    # Gradients are summed over replicas. Means are divided by their number already.
    return value / replicas() if loss.reduction == "sum" else value
