"""Generated examples matched to real ones by the critic's features."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.adversarial.scores import mean_that_counts
from lossforge.losses.base import Loss


class FeatureMatching(Loss):
    """The mean features of generated examples must be those of real ones; the pairing is free.

        loss = mean_d (mean_i f_id - mean_i f'_id)^2, for every example of the batch

    The paper sums over features; the mean does not grow with the layer. Where examples are paired
    (pix2pixHD), a mean absolute error of the features does instead.

    Reads: y_true: (batch, ..., D) features of real examples, y_pred: of generated ones, from a
        layer inside the critic.
    Returns: (batch,), equal for all; means run over the examples that count, and over places.
    Source: Salimans et al. 2016, Improved Techniques for Training GANs, section 3.1.

    >>> float(FeatureMatching()([[0.0], [2.0]], [[1.0], [1.0]]))
    0.0
    """

    batch_coupled = True
    kinds = ("regression",)
    source = "Salimans et al. 2016, Improved Techniques for Training GANs"

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        y_true = ops.cast(y_true, y_pred.dtype)
        gap = mean_that_counts(y_true, counts) - mean_that_counts(y_pred, counts)
        value = ops.sum(ops.square(gap)) / y_pred.shape[-1]
        return ops.broadcast_to(value, ops.shape(y_pred)[:1])
