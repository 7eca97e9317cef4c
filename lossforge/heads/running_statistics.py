"""Layers that count while a model trains, and hand what they counted to the loss.

Each reads (logits (batch, C), targets) and puts out (batch, 2, C): the logits, and beside each what
was counted, without a gradient. The state is a weight that no optimizer trains: saved, restored and
resumed with the model. It moves in training only. Under `tf.distribute` the examples of all
replicas are counted, so that two replicas count like one with the whole batch.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.base import mean_over_replicas, replicas
from lossforge.losses.classification.log_probabilities import one_hot_targets
from lossforge.losses.global_batch import in_a_replica


class _BesideLogits(keras.layers.Layer):
    """The base: logits pass through; a subclass writes `beside(logits, targets, training)`."""

    def __init__(self, **layer: Any) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        logits, targets = inputs
        constant = ops.stop_gradient(logits)
        second = self.beside(constant, one_hot_targets(targets, logits), bool(training))
        return ops.stack([logits, ops.broadcast_to(second, ops.shape(logits))], axis=1)

    def beside(self, logits: Any, targets: Any, training: bool) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define beside.")

    def compute_output_shape(self, input_shape: Any) -> tuple:
        logits, _ = input_shape
        return (logits[0], 2, logits[-1])

    def _counter(self, size: int, name: str) -> Any:
        # Replicas assign equal numbers: those of all of them together.
        return self.add_weight(
            shape=(size,),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )


@keras.saving.register_keras_serializable("lossforge")
class RunningClassCounts(_BesideLogits):
    """Counts the labels of each class that training has seen, for `lossforge.RunningSeesaw`.

        n_c <- n_c + how many of the batch are of class c        in training only, first

    Reads: (logits (batch, C), class ids (batch,) or one-hot (batch, C)).
    Returns: (batch, 2, C), the logits, then n of each class. In evaluation n stands still.
    Source: Wang et al. 2021, Seesaw Loss for Long-Tailed Instance Segmentation, section 3.2.

    >>> layer = RunningClassCounts()
    >>> for ids in ([0, 0, 1], [0, 1, 1]):
    ...     out = layer([ops.zeros((3, 2)), ops.convert_to_tensor(ids)], training=True)
    >>> ops.convert_to_numpy(out[0, 1]).tolist()
    [3.0, 3.0]
    """

    def build(self, input_shape: Any) -> None:
        self.counts = self._counter(input_shape[0][-1], "counts")

    def beside(self, logits: Any, targets: Any, training: bool) -> Any:
        counts = ops.convert_to_tensor(self.counts)
        if training:
            counts = counts + _sum_over_replicas(ops.sum(targets, axis=0))
            self.counts.assign(counts)
        return counts


@keras.saving.register_keras_serializable("lossforge")
class RunningHistogram(_BesideLogits):
    """Weighs logits by one over how many have a slope of the same size: GHM-C with momentum.

        g_c    = |sigmoid(z_c) - y_c|, in one of `bins` equal bins of [0, 1]
        S_b    <- momentum S_b + (1 - momentum) (elements of the batch in bin b)
        w_c    = N / S(bin of g_c) / (bins that the batch has elements in)

    in training only; in evaluation weights are 1. For `lossforge.WeightedSigmoid`.

    Reads: (logits (batch, C), targets (batch, C) in [0, 1], or class ids (batch,)).
    Returns: (batch, 2, C), the logits, then their weights.
    Edges: a bin's first count is taken whole. (In the authors' code it is multiplied by
        1 - momentum like all others, so that the first steps weigh several times as much.)
    Source: Li, Liu and Wang 2019, Gradient Harmonized Single-stage Detector, equation 11.

    >>> layer = RunningHistogram(bins=2)
    >>> out = layer([ops.convert_to_tensor([[9.0, 9.0, 9.0]]), ops.ones((1, 3))], training=True)
    >>> ops.convert_to_numpy(out[0, 1]).tolist()
    [1.0, 1.0, 1.0]

    Args:
        bins: >= 1; the authors' 10.
        momentum: in [0, 1); the authors' 0.75. 0 is `GHMC` on the batch.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(self, bins: int = 10, momentum: float = 0.75, **layer: Any) -> None:
        super().__init__(**layer)
        if not isinstance(bins, int) or bins < 1:
            raise ValueError(f"RunningHistogram: bins must be a whole number >= 1, got {bins!r}.")
        if not 0 <= momentum < 1:
            raise ValueError(f"RunningHistogram: momentum must be in [0, 1), got {momentum!r}.")
        self.bins, self.momentum = bins, float(momentum)

    def build(self, input_shape: Any) -> None:
        self.histogram = self._counter(self.bins, "histogram")

    def beside(self, logits: Any, targets: Any, training: bool) -> Any:
        if not training:
            return ops.ones_like(logits)
        slope = ops.abs(ops.sigmoid(logits) - targets)
        place = ops.clip(ops.cast(ops.floor(slope * self.bins), "int32"), 0, self.bins - 1)
        flat = ops.reshape(place, (-1,))
        inside = ops.segment_sum(ops.ones_like(flat, logits.dtype), flat, num_segments=self.bins)
        inside = _sum_over_replicas(inside)
        before = ops.convert_to_tensor(self.histogram)
        moved = self.momentum * before + (1.0 - self.momentum) * inside
        moved = ops.where(before > 0, moved, inside)
        after = ops.where(inside > 0, moved, before)
        self.histogram.assign(after)
        used = ops.sum(ops.cast(inside > 0, logits.dtype))
        return ops.take(ops.divide_no_nan(ops.sum(inside), after * used), place)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins, "momentum": self.momentum}


@keras.saving.register_keras_serializable("lossforge")
class RunningGradients(_BesideLogits):
    """Weighs the sigmoid of each class by the slopes it has had from own and from other examples.

        g_c = sum of slopes from examples of class c / sum of those from all others, so far
        r_c = sigmoid(gamma (g_c - mu))
        w_c = r_c for a negative, 1 + alpha (1 - r_c) for a positive
        then the weighted slopes w |sigmoid(z_c) - y_c| of the batch are added, in training only

    A rare class is pushed down by the examples of all others; r close to 0 lifts that push until
    its own examples have pulled as much. For `lossforge.WeightedSigmoid(sum_classes=True)`.

    Reads: (logits (batch, C), class ids (batch,) or labels (batch, C) in [0, 1]).
    Returns: (batch, 2, C), the logits, then their weights. In evaluation weights are 1.
    Edges: a class without a slope so far has g = 100, the authors' start: plain cross-entropy.
    Source: Tan et al. 2021, Equalization Loss v2: A New Gradient Balance Approach for Long-tailed
        Object Detection, equations 4 to 7.

    >>> layer = RunningGradients()
    >>> out = layer([ops.zeros((1, 2)), ops.convert_to_tensor([0])], training=True)
    >>> ops.convert_to_numpy(out[0, 1]).tolist()
    [1.0, 1.0]

    Args:
        mu: the ratio at which the push is half lifted; the paper's 0.8.
        gamma: how sharply, > 0; the paper's 12.
        alpha: how much more positives pull, >= 0; the paper's 4.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self, mu: float = 0.8, gamma: float = 12.0, alpha: float = 4.0, **layer: Any
    ) -> None:
        super().__init__(**layer)
        if not gamma > 0:
            raise ValueError(f"RunningGradients: gamma must be > 0, got {gamma!r}.")
        if not alpha >= 0:
            raise ValueError(f"RunningGradients: alpha must be >= 0, got {alpha!r}.")
        self.mu, self.gamma, self.alpha = float(mu), float(gamma), float(alpha)

    def build(self, input_shape: Any) -> None:
        self.positive = self._counter(input_shape[0][-1], "positive")
        self.negative = self._counter(input_shape[0][-1], "negative")

    def beside(self, logits: Any, targets: Any, training: bool) -> Any:
        if not training:
            return ops.ones_like(logits)
        pulled, pushed = (ops.convert_to_tensor(v) for v in (self.positive, self.negative))
        ratio = ops.where(pushed > 0, pulled / ops.where(pushed > 0, pushed, 1.0), 100.0)
        kept = ops.sigmoid(self.gamma * (ratio - self.mu))
        weights = targets * (1.0 + self.alpha * (1.0 - kept)) + (1.0 - targets) * kept
        slope = weights * ops.abs(ops.sigmoid(logits) - targets)
        for state, before, share in (
            (self.positive, pulled, targets),
            (self.negative, pushed, 1.0 - targets),
        ):
            state.assign(before + _sum_over_replicas(ops.sum(share * slope, axis=0)))
        return weights

    def get_config(self) -> dict[str, Any]:
        own = {"mu": self.mu, "gamma": self.gamma, "alpha": self.alpha}
        return {**super().get_config(), **own}


def _sum_over_replicas(x: Any) -> Any:
    return x if replicas() == 1.0 or not in_a_replica() else mean_over_replicas(x) * replicas()
