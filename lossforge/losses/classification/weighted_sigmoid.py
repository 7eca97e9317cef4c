"""Sigmoid cross-entropy whose weights a layer of the model puts out."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp


class WeightedSigmoid(Loss):
    """Binary cross-entropies, each with the weight that a layer with a memory gave it.

        loss = mean_c w_c (-y_c log p_c - (1 - y_c) log(1 - p_c))

    After `heads.RunningHistogram` it is the gradient harmonising loss with momentum (GHM-C), after
    `heads.RunningGradients` equalization v2 (EQLv2). What is remembered is a state of the layer,
    which the model saves and restores; the loss is pure. Weights have no gradient.

    Reads: y_true: (batch, C) in [0, 1], or class ids (batch,); y_pred: (batch, 2, C), logits, then
        weights, as from these layers.
    Returns: (batch,), >= 0.
    Source: Li, Liu and Wang 2019, Gradient Harmonized Single-stage Detector; Tan et al. 2021,
        Equalization Loss v2: A New Gradient Balance Approach for Long-tailed Object Detection.

    >>> round(float(WeightedSigmoid()([[1.0, 0.0]], [[[0.0, 0.0], [1.0, 3.0]]])), 4)  # 2 log 2
    1.3863

    Args:
        sum_classes: whether the sum over classes is taken, as EQLv2 has it; else the mean.

    Raises:
        ValueError: for predictions without weights.
    """

    kinds = ("logits_and_weights",)
    source = "Tan et al. 2021, Equalization Loss v2; Li, Liu and Wang 2019, GHM"
    detached = True
    variants = ({}, {"sum_classes": True})

    def __init__(self, sum_classes: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.sum_classes = bool(sum_classes)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits, weights = logp.split_pair("WeightedSigmoid", "weights", "RunningHistogram", y_pred)
        targets = logp.one_hot_targets(y_true, logits)
        log_p, log_q = logp.log_sigmoid(logits, from_logits=True)
        values = -weights * (targets * log_p + (1.0 - targets) * log_q)
        return ops.sum(values, axis=-1) if self.sum_classes else mean_over_last_axis(values)
