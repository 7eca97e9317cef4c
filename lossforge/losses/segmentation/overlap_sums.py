"""The three sums over an image that an overlap of masks needs, in few passes over its pixels.

Masks are large and arithmetic is cheap, so that time is the number of passes. The slope of a sum is
known: it is written down here instead of being kept by automatic differentiation.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.segmentation.regions import spatial_sum


def overlap_sums(y: Any, p: Any, weight: Any = None) -> tuple[Any, Any, Any]:
    """(sum of min(y, p), sum of p, sum of y), each (batch, C), over the pixels of an image.

    Where y and p are equal the minimum has the mean of both slopes.

    Args:
        y: (batch, *spatial, C) targets, or class ids (batch, *spatial).
        p: (batch, *spatial, C) probabilities.
        weight: of pixels, (batch, *spatial, 1) or (batch, *spatial, C); None: 1 each.
    """
    if len(y.shape) == len(p.shape):
        return (*_of_masks(y, p, weight), spatial_sum(y, weight))
    if weight is not None and weight.shape[-1] != 1:
        return overlap_sums(logp.one_hot_targets(y, p), p, weight)
    return _of_class_ids(y, p, weight)


def _of_masks(y: Any, p: Any, weight: Any) -> tuple[Any, Any]:
    @ops.custom_gradient
    def sums(y, p):
        both = ops.stack([spatial_sum(ops.minimum(y, p), weight), spatial_sum(p, weight)])

        def gradient(*arguments, upstream=None):
            shared, in_p = _per_pixel(arguments[0] if upstream is None else upstream, p)
            nearer = (0.5 * shared) * ops.sign(y - p)
            slopes = 0.5 * shared - nearer, nearer + (0.5 * shared + in_p)
            return slopes if weight is None else tuple(weight * slope for slope in slopes)

        return both, gradient

    both = sums(y, p)
    return both[0], both[1]


def _of_class_ids(ids: Any, p: Any, weight: Any) -> tuple[Any, Any, Any]:
    """As for masks of zeros and ones, of which only the ones are read."""
    classes, batch = p.shape[-1], ops.shape(p)[0]
    ids = ops.cast(ids, "int32")
    if weight is not None:
        weight = ops.broadcast_to(weight, (*ops.shape(p)[:-1], 1))
        ids = ops.where(weight[..., 0] > 0, ids, 0)  # a pixel that does not count has any label
    flat = ops.reshape(ids, (-1,))
    pixel = ops.arange(ops.shape(flat)[0])
    group = pixel // (ops.shape(flat)[0] // batch) * classes + flat
    counts = ops.ones_like(flat, p.dtype) if weight is None else ops.reshape(weight, (-1,))

    def by_class(x):
        return ops.reshape(ops.segment_sum(x, group, batch * classes), (batch, classes))

    @ops.custom_gradient
    def sums(p):
        own = ops.take(ops.reshape(p, (-1,)), pixel * classes + flat)
        both = ops.stack([by_class(counts * own), spatial_sum(p, weight)])

        def gradient(*arguments, upstream=None):
            shared, in_p = _per_pixel(arguments[0] if upstream is None else upstream, p)
            slope = ops.one_hot(ids, classes, dtype=p.dtype) * shared + in_p
            return slope if weight is None else weight * slope

        return both, gradient

    both = sums(p)
    return both[0], both[1], by_class(counts)


def _per_pixel(upstream: Any, p: Any) -> tuple[Any, Any]:
    """Slopes of both sums, (2, batch, C), in a shape that goes with the pixels."""
    shape = (ops.shape(p)[0], *[1] * (len(p.shape) - 2), p.shape[-1])
    return ops.reshape(upstream[0], shape), ops.reshape(upstream[1], shape)
