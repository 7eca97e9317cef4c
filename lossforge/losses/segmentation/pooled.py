"""One overlap over a whole batch in place of one an image."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, align
from lossforge.losses.segmentation.regions import RegionLoss


class Pooled(Loss):
    """Sums an overlap loss over all pixels of the batch, as if it were one large image.

        loss = overlap(all pixels of all images)

    For objects so rare that most images have none: their images no longer count as much as the
    others. The value depends on the batch and, with several replicas, on the part that each sees.
    Weights, also those of whole images, weigh pixels inside the sums.

    Reads: what the wrapped loss reads.
    Returns: (1,): one value for the batch.
    Source: Isensee et al. 2021, nnU-Net (batch Dice).

    >>> import lossforge
    >>> pooled = Pooled(lossforge.Dice(smooth=0.0))
    >>> round(float(pooled([[[1.0], [1.0]], [[0.0], [0.0]]], [[[1.0], [1.0]], [[0.0], [1.0]]])), 4)
    0.2

    Args:
        loss: an overlap loss of lossforge, whose sums run over pixels in any order.

    Raises:
        ValueError: for another loss, such as one that reads the neighbours of a pixel.
    """

    wraps = True
    batch_coupled = True
    source = "Isensee et al. 2021, nnU-Net"

    def __init__(self, loss: RegionLoss, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(loss, RegionLoss) or not loss.pools:
            raise ValueError(
                f"Pooled: loss must be a loss of overlap such as Dice(), got {loss!r}."
            )
        self.loss = loss
        self.kinds = loss.kinds

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.valid(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.call(joined(y_true), joined(y_pred))

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        if sample_weight is None and mask is None:
            return super().weighted_values(y_true, y_pred)
        weight, mask = self._weight(sample_weight, mask)
        if mask is not None:
            mask = joined(per_pixel(mask, y_pred))
        if weight is not None:
            weight = joined(per_pixel(weight, y_pred))
        return self.loss.weighted_values(joined(y_true), joined(y_pred), weight, mask)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Pooled:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def per_pixel(weight: Any, y_pred: Any) -> Any:
    """A weight of any rank as (batch, *spatial, 1 or C)."""
    weight = align(weight, y_pred)
    return ops.broadcast_to(weight, (*ops.shape(y_pred)[:-1], weight.shape[-1]))


def joined(x: Any) -> Any:
    """(batch, height, ...) as one image (1, batch * height, ...)."""
    return ops.reshape(x, (1, -1, *ops.shape(x)[2:]))
