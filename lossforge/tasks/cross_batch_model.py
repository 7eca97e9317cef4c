"""Training against a memory of past batches as well as the batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from lossforge.errors import UsageError
from lossforge.heads.memories import CrossBatchMemory
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite
from lossforge.losses.embedding.pairs import InBatch
from lossforge.training.term_model import TermModel


class CrossBatchModel(TermModel):
    """Adds, for every in-batch loss of a slot, the same loss against a `CrossBatchMemory`.

    Losses that read a head have no use for a memory and go without.

    Args:
        network, read, losses: as `TermModel` takes them.
        slot: whose losses compare embeddings.
        size: how many embeddings are remembered.
    """

    def __init__(
        self, network: keras.Model, read: Any, losses: Mapping[str, Loss], slot: str, size: int
    ) -> None:
        super().__init__(network, read, losses)
        self._read_slot = slot
        self.memories = [
            CrossBatchMemory(loss, size, weight) for weight, loss in _in_batch(losses[slot])
        ]
        for memory in self.memories:
            memory.build([network.output["embedding"].shape, (None,)])

    def compile(self, *args: Any, **kwargs: Any) -> None:
        on_tensorflow = keras.backend.backend() == "tensorflow"
        if on_tensorflow and self.distribute_strategy.num_replicas_in_sync > 1:
            raise UsageError(
                "A memory of past batches trains on one device: under a tf.distribute strategy "
                "each replica would remember its own. Use --set memory=0, or --devices gpu:0."
            )
        super().compile(*args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        reading = self._read(y, y_pred)[self._read_slot]["embedding"]
        for memory in self.memories:  # adds its loss to those of this model
            memory([reading.y_pred, reading.y_true], training=training)
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def _in_batch(loss: Loss, weight: float = 1.0) -> Iterator[tuple[float, InBatch]]:
    if isinstance(loss, Composite):
        for name, term in loss.losses.items():
            yield from _in_batch(term, weight * loss.weights[name])
    elif isinstance(loss, InBatch):
        yield weight, loss
