"""Gradient harmonising: elements count less where many have a slope of the same size."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class GHMC(Loss):
    """Binary cross-entropy spread evenly over easy, middling and hopeless elements.

        g_c  = |p_c - y_c|, the slope, in one of `bins` equal bins of [0, 1]
        w_c  = N / (elements in the bin of g_c) / (bins that are not empty)
        loss = mean_c w_c * -(y_c log p_c + (1 - y_c) log(1 - p_c))

    The weights have no gradient and a mean of 1 over the N elements of the batch. As in the
    authors' code; the paper divides by all bins, which shrinks the loss when some are empty. With a
    running mean of the counts over batches, which helps small batches: `WeightedSigmoid` after
    `lossforge.heads.RunningHistogram`.

    Reads: y_true: (batch, ..., C) in [0, 1]; y_pred: (batch, ..., C) probabilities, or logits with
        `from_logits=True`.
    Returns: (batch, ...), the mean over classes; a loss over the whole batch.
    Source: Li, Liu and Wang 2019, Gradient Harmonized Single-stage Detector, equations 7 to 9.

    >>> round(float(GHMC()([[1.0], [0.0]], [[0.5], [0.5]])), 4)
    0.6931

    Args:
        bins: >= 1; the paper's 30, the authors' code 10.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a number of bins that is no whole number of 1 or more.
    """

    kinds = ("multilabel", "binary")
    source = "Li, Liu and Wang 2019, Gradient Harmonized Single-stage Detector"
    batch_coupled = True
    detached = True
    search = {"bins": Choice((5, 10, 20, 30))}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "bins": 3})

    def __init__(self, bins: int = 10, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.bins = check_bins("GHMC", bins)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        targets = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        values = -(targets * log_p + (1.0 - targets) * log_q)
        slope = ops.abs(ops.exp(log_p) - targets)
        return mean_over_last_axis(harmonised_weights(slope, counts, self.bins) * values)


class GHMR(Loss):
    """Smooth absolute error spread evenly over near, middling and far elements.

        d    = y_pred - y_true,   g = |d| / sqrt(d^2 + mu^2), in one of `bins` bins of [0, 1]
        w    = N / (elements in the bin of g) / (bins that are not empty)
        loss = mean_D w (sqrt(d^2 + mu^2) - mu)

    The weights have no gradient and a mean of 1 over the N elements of the batch; see GHMC.

    Reads: y_true, y_pred: (batch, ..., D).
    Returns: (batch, ...), the mean over D; a loss over the whole batch.
    Source: Li, Liu and Wang 2019, Gradient Harmonized Single-stage Detector, equations 10 to 13.

    >>> float(GHMR(mu=3.0)([[0.0]], [[4.0]]))
    2.0

    Args:
        mu: where the loss turns from square to absolute, > 0; the paper's 0.02.
        bins: >= 1; the authors' 10.

    Raises:
        ValueError: for mu or bins out of range.
    """

    kinds = ("regression",)
    source = "Li, Liu and Wang 2019, Gradient Harmonized Single-stage Detector"
    batch_coupled = True
    detached = True
    search = {"mu": Float(0.005, 1.0, log=True), "bins": Choice((5, 10, 20, 30))}
    variants = ({}, {"mu": 1.0, "bins": 4})

    def __init__(self, mu: float = 0.02, bins: int = 10, **base: Any) -> None:
        super().__init__(**base)
        self.mu = check_range("GHMR", "mu", mu, 1e-6)
        self.bins = check_bins("GHMR", bins)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        d = y_pred - ops.cast(y_true, y_pred.dtype)
        length = ops.sqrt(ops.square(d) + self.mu**2)
        weights = harmonised_weights(ops.abs(d) / length, counts, self.bins)
        # (length - mu) without the difference of near equals
        return mean_over_last_axis(weights * ops.square(d) / (length + self.mu))


def harmonised_weights(slope: Any, counts: Any, bins: int) -> Any:
    """N / (elements in the same bin) / (bins in use), of the shape of `slope`, no gradient."""
    slope = ops.stop_gradient(slope)
    valid = ops.cast(ops.broadcast_to(align(counts, slope), ops.shape(slope)), slope.dtype)
    place = ops.clip(ops.cast(ops.floor(slope * bins), "int32"), 0, bins - 1)
    inside = ops.segment_sum(
        ops.reshape(valid, (-1,)), ops.reshape(place, (-1,)), num_segments=bins
    )
    used = ops.sum(ops.cast(inside > 0, slope.dtype))
    by_bin = ops.divide_no_nan(ops.sum(inside), inside * used)
    return ops.take(by_bin, place)


def check_bins(loss: str, bins: int) -> int:
    if bins != int(check_range(loss, "bins", bins, 1, 10_000)):
        raise ValueError(f"{loss}: bins must be a whole number, got {bins!r}.")
    return int(bins)
