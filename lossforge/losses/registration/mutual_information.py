"""Mutual information of intensities: images of one scene from different instruments."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.ranges import Choice


class MutualInformation(Loss):
    """How much the intensities of one image tell about those of the other, from a joint histogram.

        plain         loss = -(H(y) + H(p) - H(y, p))             in nats
        normalised    loss = 2 - (H(y) + H(p)) / H(y, p)          in [0, 1]

    per channel, mean over channels. Each pixel falls into one bin of its target and, with the
    weights of a cubic B-spline, into four bins of its prediction, so that the histogram changes
    smoothly. Four additions a pixel: memory does not grow with pixels times bins.

    Reads: y_true, y_pred: (batch, *spatial, C) intensities in [0, 1].
    Returns: (batch,); plain between -log(bins) and 0.
    Edges: intensities outside [0, 1] count as 0 or 1, without a slope. An image of one intensity
        tells nothing: plain 0, normalised 1. The spline blurs the histogram, so that equal images
        do not reach the lower end.
    Source: Mattes et al. 2003, PET-CT Image Registration in the Chest Using Free-form Deformations
        (the histogram); Studholme et al. 1999, An Overlap Invariant Entropy Measure of 3D Medical
        Image Alignment (normalised).

    >>> y = [[[0.0], [0.0], [1.0], [1.0]]]
    >>> inverted = [[[1.0], [1.0], [0.0], [0.0]]]
    >>> round(float(MutualInformation(bins=8)(y, inverted)), 4)
    -0.6931

    Args:
        bins: of each image, 5 or more; pixels should outnumber their square.
        normalised: whether entropy of the overlap is divided out.

    Raises:
        ValueError: for fewer than 5 bins.
    """

    minimum = None
    kinds = ("image",)
    source = "Mattes et al. 2003, PET-CT Image Registration in the Chest"
    search = {"bins": Choice((16, 32, 64)), "normalised": Choice((False, True))}
    variants = ({"bins": 6}, {"bins": 8, "normalised": True})

    def __init__(self, bins: int = 32, normalised: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.bins = int(check_range("MutualInformation", "bins", bins, 5))
        self.normalised = bool(normalised)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y, p = ops.clip(ops.cast(y_true, y_pred.dtype), 0.0, 1.0), ops.clip(y_pred, 0.0, 1.0)
        joint = self._histogram(channels_first(y), channels_first(p))
        of_y = entropy(ops.sum(joint, axis=-1), 1)
        of_p = entropy(ops.sum(joint, axis=-2), 1)
        of_both = entropy(joint, 2)
        if self.normalised:
            flat = ops.equal(of_both, 0)
            shared = (of_y + of_p) / ops.where(flat, 1.0, of_both)
            values = 2.0 - ops.where(flat, 1.0, shared)
        else:
            values = of_both - of_y - of_p
        return ops.sum(values, axis=-1) / values.shape[-1]

    def _histogram(self, y: Any, p: Any) -> Any:
        """(batch, C, bins of y, bins of p), sum 1, from (batch, C, pixels)."""
        bins, batch, channels = self.bins, ops.shape(y)[0], y.shape[1]
        row = ops.cast(ops.round(y * (bins - 1)), "int32")
        place = 1.0 + p * (bins - 3)
        low = ops.stop_gradient(ops.floor(place))
        t = place - low
        image = ops.reshape(ops.arange(batch * channels, dtype="int32"), (-1, channels, 1))
        start = (image * bins + ops.clip(row, 0, bins - 1)) * bins
        total = 0.0
        for step, weight in zip((-1, 0, 1, 2), cubic_spline(t), strict=True):
            column = ops.clip(ops.cast(low, "int32") + step, 0, bins - 1)
            ids, weight = ops.reshape(start + column, (-1,)), ops.reshape(weight, (-1,))
            cells = batch * channels * bins * bins
            total = total + ops.segment_sum(weight, ids, num_segments=cells)
        total = ops.reshape(total, (-1, channels, bins, bins))
        return total / ops.cast(ops.shape(y)[-1], p.dtype)


def cubic_spline(t: Any) -> tuple[Any, Any, Any, Any]:
    """Weights of the four bins around a place, t in [0, 1) past the second; their sum is 1."""
    s = 1.0 - t
    return (
        s * s * s / 6.0,
        (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
        (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0,
        t * t * t / 6.0,
    )


def entropy(share: Any, axes: int) -> Any:
    """-sum q log q over the last axes; 0 log 0 is 0, with a finite slope."""
    safe = ops.where(share > 1e-30, share, 1.0)
    terms = ops.where(ops.equal(share, 0), 0.0, share * ops.log(safe))
    return -ops.sum(terms, axis=tuple(range(-axes, 0)))


def channels_first(x: Any) -> Any:
    """(batch, *spatial, C) as (batch, C, pixels)."""
    flat = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
    return ops.transpose(flat, (0, 2, 1))
