"""Classification among columns of which the first is the example's own class."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss


class TargetFirst(Loss):
    """A loss of exclusive classes, for predictions whose first column is the target.

        loss_i = loss(0, y_pred_i)

    Heads that choose the other columns by themselves put the target first: the sampled classes of
    `heads.SampledCosineHead` (Partial FC), the queue of `heads.KeyQueue` (MoCo).

    Reads: y_true: (batch, ...), not read; y_pred: (batch, 1 + N) as the wrapped loss reads them.
    Returns: (batch,).
    Source: He et al. 2020, Momentum Contrast, algorithm 1 (labels of zeros).

    >>> import lossforge
    >>> loss = TargetFirst(lossforge.CrossEntropy())([7], [[0.5, 0.25, 0.25]])
    >>> round(float(loss), 4)
    0.6931

    Args:
        loss: a lossforge Loss of class ids, such as CrossEntropy or ArcFace.

    Raises:
        ValueError: for something that is not a loss.
    """

    wraps = True
    source = "He et al. 2020, Momentum Contrast"

    def __init__(self, loss: Loss, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(loss, Loss):
            raise ValueError(f"TargetFirst: loss must be a lossforge Loss, got {loss!r}.")
        self.loss = loss
        self.kinds = loss.kinds
        self.batch_coupled = loss.batch_coupled

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        first = ops.zeros(ops.shape(y_pred)[:1], dtype="int32")
        return self.loss.call_valid(first, y_pred, counts)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TargetFirst:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})
