"""Smoothness of displacement fields."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.registration.correlation import mean_of_rest


class Diffusion(Loss):
    """The squared slopes of a displacement field: neighbours move alike.

        loss = sum over axes a of mean_i |u(i + 1_a) - u(i)|^2

    The square is the sum over the components of u; the mean is over pixels that have a next one.

    Reads: y_pred: (batch, *spatial, D) displacements in pixels. y_true is not read.
    Returns: (batch,), >= 0; 0 for a translation.
    Edges: an axis of one pixel has no slopes and adds 0.
    Source: Fischer and Modersitzki 2002, Fast Diffusion Registration; Balakrishnan et al. 2019,
        VoxelMorph.

    >>> float(Diffusion()([[[0.0]] * 3], [[[0.0], [1.0], [3.0]]]))
    2.5
    """

    kinds = ("displacement",)
    source = "Fischer and Modersitzki 2002, Fast Diffusion Registration"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        total = ops.zeros_like(mean_of_rest(y_pred))
        for axis in range(1, len(y_pred.shape) - 1):
            if y_pred.shape[axis] != 1:
                step = part(y_pred, axis, 1, None) - part(y_pred, axis, 0, -1)
                total = total + mean_square(step)
        return total


class BendingEnergy(Loss):
    """The squared curvature of a displacement field: affine motion is free, folds are not.

        loss = mean_i sum_a |u_aa(i)|^2 + 2 sum_{a<b} |u_ab(i)|^2

        u_aa = u(i + 1_a) - 2 u(i) + u(i - 1_a)
        u_ab = (u(i + 1_a + 1_b) - u(i + 1_a - 1_b) - u(i - 1_a + 1_b) + u(i - 1_a - 1_b)) / 4

    The square is the sum over the components of u; the mean of each term is over the pixels that
    have all its neighbours.

    Reads: y_pred: (batch, *spatial, D) displacements in pixels. y_true is not read.
    Returns: (batch,), >= 0; 0 for an affine map.
    Edges: an axis of fewer than three pixels has no curvature and adds 0.
    Source: Rueckert et al. 1999, Nonrigid Registration Using Free-Form Deformations.

    >>> float(BendingEnergy()([[[0.0]] * 3], [[[0.0], [1.0], [3.0]]]))
    1.0
    """

    kinds = ("displacement",)
    source = "Rueckert et al. 1999, Nonrigid Registration Using Free-Form Deformations"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        axes = [a for a in range(1, len(y_pred.shape) - 1) if (y_pred.shape[a] or 3) >= 3]
        total = ops.zeros_like(mean_of_rest(y_pred))
        for axis in axes:
            before, after = part(y_pred, axis, 0, -2), part(y_pred, axis, 2, None)
            total = total + mean_square(after - 2.0 * part(y_pred, axis, 1, -1) + before)
        for first in axes:
            slope = part(y_pred, first, 2, None) - part(y_pred, first, 0, -2)
            for second in (a for a in axes if a > first):
                twist = part(slope, second, 2, None) - part(slope, second, 0, -2)
                total = total + 2.0 * mean_square(twist / 4.0)
        return total


def part(x: Any, axis: int, start: int, stop: int | None) -> Any:
    cut = [slice(None)] * len(x.shape)
    cut[axis] = slice(start, stop)
    return x[tuple(cut)]


def mean_square(x: Any) -> Any:
    """(batch,): the mean over pixels of the squared length of vectors."""
    return mean_of_rest(ops.sum(ops.square(x), axis=-1))
