"""Exact solutions of small quadratic problems, in the graph: one batched solve over all supports.

With K terms there are 2^K - 1 ways which coefficients are not 0. For each the problem is a linear
system; the one that satisfies all conditions is the solution. For K up to 8 that is at most 255
systems of 8 x 8, in one call, and no iteration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.errors import UsageError

MOST_TERMS = 8
RIDGE = 1e-6


def supports(count: int) -> np.ndarray:
    """(S, K) masks: every non-empty choice of K terms.

    Raises:
        UsageError: for more than 8 terms.
    """
    if count > MOST_TERMS:
        raise UsageError(
            f"This Balance solves for at most {MOST_TERMS} terms, got {count}: group some in a "
            "Composite, or take PCGrad, GradVac, GradDrop, GradNorm, NashMTL or FairGrad."
        )
    numbers = np.arange(1, 2**count)
    return ((numbers[:, None] >> np.arange(count)) & 1).astype("float32")


def least_on_simplex(quadratic: Any, linear: Any) -> Any:
    """argmin over w >= 0, sum w = 1, of w' Q w / 2 + b' w, for (K, K) Q and (K,) b.

    Q is positive semidefinite; a ridge of 1e-6 of its mean diagonal makes it definite.
    """
    count = quadratic.shape[0]
    masks = supports(count)
    quadratic = ridged(quadratic)
    inside = masks[:, :, None] * masks[:, None, :] * quadratic[None]
    outside = np.eye(count, dtype="float32")[None] * (1.0 - masks)[:, :, None]
    # Lagrange: Q w + b = nu on the support, so w = nu Q^-1 1 - Q^-1 b, with sum w = 1
    rows = np.stack([masks, masks], axis=-1) * ops.stack([ops.ones_like(linear), linear], axis=-1)
    solved = ops.solve(inside + outside, rows)
    ones, pulls = solved[..., 0], solved[..., 1]
    nu = (1.0 + ops.sum(pulls, axis=-1)) / ops.sum(ones, axis=-1)
    points = nu[:, None] * ones - pulls
    return _best(points, points @ quadratic, linear, points)


def least_above(quadratic: Any, floor: Any) -> Any:
    """argmin over v >= floor of v' Q v / 2, for (K, K) Q and a batch (N, K) of floors."""
    count = quadratic.shape[0]
    masks = np.concatenate([np.zeros((1, count), "float32"), supports(count)])
    quadratic = ridged(quadratic)
    inside = masks[:, :, None] * masks[:, None, :] * quadratic[None]
    outside = np.eye(count, dtype="float32")[None] * (1.0 - masks)[:, :, None]
    # where the mask is 1, v is free: (Q v) = 0 there; elsewhere v sits on its floor
    at_floor = (1.0 - masks)[:, None, :] * floor[None]  # (S, N, K)
    rows = at_floor - masks[:, None, :] * (at_floor @ quadratic)
    points = ops.swapaxes(ops.solve(inside + outside, ops.swapaxes(rows, 1, 2)), 1, 2)
    zeros = ops.zeros((count,))
    return _best(points, points @ quadratic, zeros, points - floor[None])


def ridged(quadratic: Any) -> Any:
    scale = ops.maximum(ops.mean(ops.diagonal(quadratic)), 1e-20)
    return quadratic + RIDGE * scale * ops.eye(quadratic.shape[0])


def _best(points: Any, images: Any, linear: Any, room: Any) -> Any:
    """Of the points (S, ..., K) with `room` >= 0, the one of the least value."""
    value = ops.sum(0.5 * images * points + linear * points, axis=-1)
    feasible = ops.all(room >= -1e-5, axis=-1)
    value = ops.where(ops.logical_and(feasible, ops.isfinite(value)), value, float("inf"))
    chosen = ops.one_hot(ops.argmin(value, axis=0), value.shape[0], axis=0)
    chosen = ops.cast(chosen, points.dtype)[..., None]
    return ops.sum(ops.where(chosen > 0, points, 0.0), axis=0)
