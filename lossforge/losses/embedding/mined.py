"""An in-batch loss that sees only the pairs that a miner leaves."""

from __future__ import annotations

from typing import Any

import keras

from lossforge.losses.embedding.pairs import InBatch


class Mined(InBatch):
    """Any in-batch loss on the pairs that a miner chooses, without gradient through the choice.

        loss_i = the loss of anchor i over the mined positives and negatives

    Reads: what the wrapped loss reads: class ids (batch,) and embeddings (batch, D).
    Returns: (batch,).
    Edges: an anchor whose pairs are all mined away has the value that the loss gives without them.
    Source: the miner's.

    >>> import lossforge
    >>> from lossforge.miners.pair_miners import BatchEasyHardMiner
    >>> loss = Mined(lossforge.Triplet(margin=3.0, strategy="all"), BatchEasyHardMiner())
    >>> float(loss([0, 0, 1], [[0.0], [1.0], [3.0]]))
    1.0

    Args:
        loss: an in-batch loss, such as Triplet, Contrastive or SupCon.
        miner: a miner of `lossforge.miners`.

    Raises:
        ValueError: for a loss that does not compare the embeddings of a batch, or no miner.
    """

    wraps = True
    source = "the miner's"

    def __init__(self, loss: InBatch, miner: Any, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(loss, InBatch):
            raise ValueError(f"Mined: loss must be an in-batch loss of embeddings, got {loss!r}.")
        if not callable(getattr(miner, "mine", None)):
            raise ValueError(f"Mined: miner must be a lossforge Miner, got {miner!r}.")
        self.loss, self.miner = loss, miner
        self.kinds, self.detached = loss.kinds, loss.detached

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        positive, negative = self.miner.mine(embeddings, positive, negative)
        return self.loss.pair_values(embeddings, positive, negative)

    def get_config(self) -> dict[str, Any]:
        own = {
            "loss": keras.saving.serialize_keras_object(self.loss),
            "miner": keras.saving.serialize_keras_object(self.miner),
        }
        return {**own, "name": self.name, "reduction": self.reduction, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Mined:
        build = keras.saving.deserialize_keras_object
        return cls(**{**config, "loss": build(config["loss"]), "miner": build(config["miner"])})
