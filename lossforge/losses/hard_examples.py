"""Online hard example mining as a wrapper over any loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.largest import kth_largest
from lossforge.ranges import Float


class HardExamples(Loss):
    """Keeps the share of a batch with the largest losses; the rest counts nothing.

        loss = loss_i where loss_i is among the ceil(keep N) largest, else 0, times N / kept

    so that the mean over all values is the mean over those kept. Values of weight 0, masked and
    ignored ones are not candidates: N counts the others. Ties with the last one kept are kept.

    Reads: what the wrapped loss reads; one value per example, pixel or anchor.
    Returns: as the wrapped loss.
    Source: Shrivastava et al. 2016, Training Region-based Object Detectors with Online Hard
        Example Mining.

    >>> import lossforge
    >>> hard = HardExamples(lossforge.SmoothL1(), keep=0.5)
    >>> float(hard([[0.0], [0.0]], [[0.0], [1.5]]))
    1.0

    Args:
        loss: the loss to mine, a lossforge Loss.
        keep: share of examples that count, in (0, 1].

    Raises:
        ValueError: for something that is not a loss, or `keep` out of range.
    """

    wraps = True
    batch_coupled = True
    source = "Shrivastava et al. 2016, Training Region-based Object Detectors with OHEM"
    search = {"keep": Float(0.1, 1.0)}

    def __init__(self, loss: Loss, keep: float = 0.25, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(loss, Loss):
            raise ValueError(f"HardExamples: loss must be a lossforge Loss, got {loss!r}.")
        self.loss = loss
        self.kinds = loss.kinds
        self.keep = check_range("HardExamples", "keep", keep, 1e-6, 1.0)

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.valid(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        values = self.loss.call(y_true, y_pred)
        return values * self._kept(values, ops.ones_like(values))

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        values, divisor = self.loss.weighted_values(y_true, y_pred, sample_weight, mask)
        if sample_weight is None and mask is None:
            return values * self._kept(values, ops.ones_like(values)), divisor
        ones = ops.ones_like(values)
        weight, mask = self._weight(sample_weight, mask)
        candidates, _ = self.apply_weight(ones, weight, mask)
        return values * self._kept(values, candidates), divisor

    def _kept(self, values: Any, candidates: Any) -> Any:
        """N / kept for the values to keep, 0 for the others; no gradient."""
        flat = ops.reshape(ops.stop_gradient(values), (-1,))
        counts = ops.reshape(ops.not_equal(candidates, 0), (-1,))
        candidates_count = ops.sum(ops.cast(counts, "int32"))
        wanted = ops.cast(
            ops.ceil(self.keep * ops.cast(candidates_count, self.dtype) - 1e-4), "int32"
        )
        threshold = kth_largest(ops.where(counts, flat, -float("inf")), ops.maximum(wanted, 1))
        kept = ops.cast(ops.logical_and(flat >= threshold, counts), self.dtype)
        share = ops.divide_no_nan(ops.cast(candidates_count, self.dtype), ops.sum(kept))
        return ops.reshape(kept * share, ops.shape(values))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HardExamples:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})
