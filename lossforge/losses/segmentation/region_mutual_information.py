"""Mutual information between the neighbourhoods of target and prediction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.segmentation.regions import RegionLoss, spatial_axes
from lossforge.ranges import Choice, Float


class RegionMutualInformation(RegionLoss):
    """RMI: pixels of a neighbourhood together, so that structure counts and not each pixel alone.

        M = S_y - S_yp (S_p + e I)^-1 S_py + e I
        loss = mean_c 1/2 log det M / d

    S are the covariances, over the image, of the d = window^axes pixels of each neighbourhood of
    target and prediction; M is what the prediction leaves open of the target, and -1/2 log det M
    bounds their mutual information from below. An inverted prediction tells as much: use it
    beside cross-entropy, half and half in the paper. The paper shrinks both maps before, and
    sums where this takes means: by a constant more.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        masks of the same shape, or class ids (batch, *spatial); each side at least `window`.
    Returns: (batch,), >= log(epsilon) / 2.
    Edges: a class that is absent, or fills the image, is known: log(epsilon) / 2 without a slope.
        A neighbourhood counts where all its pixels do. Computed in float64, on JAX where that is
        enabled.
    Source: Zhao et al. 2019, Region Mutual Information Loss for Semantic Segmentation.

    >>> y = [[[0.0], [1.0], [0.0], [0.0], [1.0]]]
    >>> loss = RegionMutualInformation(window=2)
    >>> bool(loss(y, y) < loss(y, [[[0.5], [0.6], [0.4], [0.5], [0.5]]]))
    True

    Args:
        window: side of a neighbourhood in pixels, >= 1; the paper's 3.
        epsilon: e > 0, a variance; the smaller, the more exact and the less even the slope.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    minimum = None
    kinds = ("mask", "class_mask")
    source = "Zhao et al. 2019, Region Mutual Information Loss for Semantic Segmentation"
    search = {"window": Choice((2, 3, 4)), "epsilon": Float(1e-4, 1e-1, log=True)}
    variants = ({"window": 2, "epsilon": 1e-2}, {"from_logits": True, "window": 2})

    def __init__(
        self,
        window: int = 3,
        epsilon: float = 5e-4,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        self.window = int(check_range("RegionMutualInformation", "window", window, 1))
        self.epsilon = check_range("RegionMutualInformation", "epsilon", epsilon, 1e-8)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        if weight is None:
            weight = ops.ones_like(p[..., :1])
        visible = neighbourhoods(weight + ops.zeros_like(p), self.window)
        visible = ops.min(visible, axis=-1, keepdims=True)
        both = [neighbourhoods(x, self.window) for x in (p, y)]
        joint = covariance(ops.concatenate(both, axis=-1), visible)
        joint = joint + self.epsilon * ops.eye(joint.shape[-1], dtype=joint.dtype)
        size = joint.shape[-1] // 2
        # M is the Schur complement of the prediction's part: its determinant is a quotient.
        values = log_det(joint) - log_det(joint[..., :size, :size])
        return self.class_mean(ops.cast(0.5 * values / size, p.dtype))


def neighbourhoods(x: Any, window: int) -> Any:
    """(batch, *fewer, C, d): the pixels of each window that fits."""
    axes = spatial_axes(x)
    short = [n for n in x.shape[1:-1] if n is not None and n < window]
    if short:
        raise ValueError(
            f"RegionMutualInformation: a window of {window} does not fit masks of {tuple(x.shape)}."
        )
    shifted = []
    for offset in itertools.product(range(window), repeat=len(axes)):
        cut = [slice(None)] * len(x.shape)
        for axis, start in zip(axes, offset, strict=True):
            stop = start - window + 1
            cut[axis] = slice(start, stop if stop < 0 else None)
        shifted.append(x[tuple(cut)])
    return ops.stack(shifted, axis=-1)


def covariance(vectors: Any, weight: Any) -> Any:
    """(batch, C, d, d) of (batch, *spatial, C, d) over the spatial axes, in float64."""
    vectors, weight = ops.cast(vectors, "float64"), ops.cast(weight, "float64")
    shape = ops.shape(vectors)
    rows = ops.reshape(vectors, (shape[0], -1, vectors.shape[-2], vectors.shape[-1]))
    weight = ops.reshape(weight, (shape[0], -1, vectors.shape[-2], 1))
    total = ops.sum(weight, axis=1, keepdims=True)
    share = weight / ops.where(ops.equal(total, 0), 1.0, total)
    rows = rows - ops.sum(share * rows, axis=1, keepdims=True)
    rows, weighed = ops.transpose(rows, (0, 2, 3, 1)), ops.transpose(share * rows, (0, 2, 1, 3))
    return ops.matmul(rows, weighed)


def log_det(matrix: Any) -> Any:
    """log det of positive definite matrices; NaN in gives NaN out, not an error."""
    known = ops.all(ops.isfinite(matrix), axis=(-2, -1))
    eye = ops.eye(matrix.shape[-1], dtype=matrix.dtype)
    safe = ops.where(known[..., None, None], matrix, eye)
    diagonal = ops.diagonal(ops.cholesky(safe), axis1=-2, axis2=-1)
    values = 2.0 * ops.sum(ops.log(diagonal), axis=-1)
    return ops.where(known, values, float("nan"))
