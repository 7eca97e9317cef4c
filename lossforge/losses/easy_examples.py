"""Small-loss selection and self-paced learning as a wrapper over any loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.ranges import Float


class EasyExamples(Loss):
    """Keeps the share of a batch with the smallest losses: those whose labels are likely right.

        loss = loss_i where loss_i is among the ceil(keep N) smallest and not above the threshold,
               else 0, times N / kept

    so that the mean over all values is the mean over those kept. Values of weight 0, masked and
    ignored ones are not candidates: N counts the others. Ties with the last one kept are kept.
    `keep` is one minus the forget rate of co-teaching; a `threshold` that grows during training is
    self-paced learning.

    Reads: what the wrapped loss reads; one value per example, pixel or anchor.
    Returns: as the wrapped loss.
    Source: Kumar, Packer and Koller 2010, Self-Paced Learning for Latent Variable Models
        (threshold); Han et al. 2018, Co-teaching (share).

    >>> import lossforge
    >>> easy = EasyExamples(lossforge.SmoothL1(), keep=0.5)
    >>> float(easy([[0.0], [0.0]], [[0.0], [1.5]]))
    0.0

    Args:
        loss: the loss to select from, a lossforge Loss.
        keep: share of examples that count, in (0, 1].
        threshold: largest loss that counts, or None.

    Raises:
        ValueError: for something that is not a loss, or numbers out of range.
    """

    wraps = True
    batch_coupled = True
    source = "Kumar, Packer and Koller 2010, Self-Paced Learning for Latent Variable Models"
    search = {"keep": Float(0.5, 1.0)}

    def __init__(
        self, loss: Loss, keep: float = 0.8, threshold: float | None = None, **base: Any
    ) -> None:
        super().__init__(**base)
        if not isinstance(loss, Loss):
            raise ValueError(f"EasyExamples: loss must be a lossforge Loss, got {loss!r}.")
        self.loss = loss
        self.kinds = loss.kinds
        self.keep = check_range("EasyExamples", "keep", keep, 1e-6, 1.0)
        self.threshold = threshold
        if threshold is not None:
            self.threshold = check_range("EasyExamples", "threshold", threshold, -float("inf"))

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.valid(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        values = self.loss.call(y_true, y_pred)
        return values * self._kept(values, ops.ones_like(values))

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        values, divisor = self.loss.weighted_values(y_true, y_pred, sample_weight, mask)
        candidates = ops.ones_like(values)
        if sample_weight is not None or mask is not None:
            candidates, _ = self.apply_weight(candidates, *self._weight(sample_weight, mask))
        return values * self._kept(values, candidates), divisor

    def _kept(self, values: Any, candidates: Any) -> Any:
        return smallest(values, ops.not_equal(candidates, 0), self.keep, self.threshold)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EasyExamples:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def smallest(values: Any, counts: Any, keep: float, threshold: float | None = None) -> Any:
    """N / kept for the `keep` share of smallest values among those that count, 0 elsewhere."""
    flat = ops.reshape(ops.stop_gradient(values), (-1,))
    counts = ops.reshape(counts, (-1,))
    number = ops.sum(ops.cast(counts, "int32"))
    wanted = ops.cast(ops.ceil(keep * ops.cast(number, flat.dtype) - 1e-4), "int32")
    ranked = ops.sort(ops.where(counts, flat, float("inf")))
    limit = ops.take(ranked, ops.clip(wanted - 1, 0, ops.size(flat) - 1))
    if threshold is not None:
        limit = ops.minimum(limit, threshold)
    kept = ops.cast(ops.logical_and(flat <= limit, counts), flat.dtype)
    share = ops.divide_no_nan(ops.cast(number, flat.dtype), ops.sum(kept))
    return ops.reshape(kept * share, ops.shape(values))
