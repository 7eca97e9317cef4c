"""Exact Euclidean distances inside a mask, for any number of spatial axes, in keras.ops."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.segmentation.regions import spatial_axes

FAR = 1e9
SHORT = 16
"""Sides up to this length need no loop, at so many times the memory."""


def distance_to(mask: Any, dtype: str = "float32") -> Any:
    """Distance in pixels of each pixel to the nearest one of a boolean mask; FAR where it is empty.

    Axis by axis: the least over rows k of (squared distance at k) + (i - k)^2. Memory is that of
    the mask; time grows with the sum of its sides.
    """
    squared = ops.cast(ops.where(mask, 0.0, FAR * FAR), dtype)
    for axis in spatial_axes(mask):
        rows = ops.moveaxis(squared, axis, 0)
        place = ops.cast(ops.arange(ops.shape(rows)[0]), rows.dtype)
        place = ops.reshape(place, (-1, *[1] * (len(rows.shape) - 1)))
        squared = ops.moveaxis(_lower_envelope(rows, place), 0, axis)
    return ops.minimum(ops.sqrt(squared), FAR)


def _lower_envelope(rows: Any, place: Any) -> Any:
    if rows.shape[0] is not None and rows.shape[0] <= SHORT:
        offset = place[:, None] - place[None]
        return ops.min(rows[None] + offset * offset, axis=1)

    def nearer(k, least):
        offset = place - ops.cast(k, place.dtype)
        return ops.minimum(least, ops.take(rows, k, axis=0)[None] + offset * offset)

    return ops.fori_loop(0, ops.shape(rows)[0], nearer, rows)


def signed_distance(mask: Any, dtype: str = "float32") -> Any:
    """Distance to the object outside of it, minus the distance inside to its inner edge.

    0 on the outermost pixels of the object, -1 one further in, 1 next to it; 0 everywhere where
    the mask is empty or full, since it has no edge.
    """
    outside, inside = distance_to(mask, dtype), distance_to(ops.logical_not(mask), dtype)
    signed = ops.where(mask, 1.0 - inside, outside)
    return ops.where(_has_edge(mask), signed, 0.0)


def edge_distance(mask: Any, dtype: str = "float32") -> Any:
    """Distance of each pixel to the other side of the mask's edge; 0 where it has no edge."""
    inside, outside = distance_to(ops.logical_not(mask), dtype), distance_to(mask, dtype)
    distance = ops.where(mask, inside, outside)
    return ops.where(_has_edge(mask), distance, 0.0)


def _has_edge(mask: Any) -> Any:
    axes = spatial_axes(mask)
    some, every = ops.any(mask, axes, keepdims=True), ops.all(mask, axes, keepdims=True)
    return ops.logical_and(some, ops.logical_not(every))
