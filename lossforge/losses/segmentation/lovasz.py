"""Lovász extensions of the Jaccard index: convex in the errors, exact where these are 0 or 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.segmentation.regions import RegionLoss, divide, is_exclusive, targets
from lossforge.ranges import Choice


class Lovasz(RegionLoss):
    """The Jaccard index of the worst pixels first, interpolated between hard masks.

        m_i = |y_i - p_i|, sorted downwards;   J_k = 1 - IoU if the first k pixels were all wrong
        loss = mean_c sum_k m_k (J_k - J_{k-1})

    over the pixels of one image (over the batch: `Pooled(Lovasz())`). Pixels with weights enter
    the counts of the index with these, so that those of weight 0 are as if cut out.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        hard masks of the same shape, or class ids (batch, *spatial).
    Returns: (batch,) in [0, 1].
    Edges: on an empty mask the index is that of the largest error alone. With classes="present"
        an image without any of the classes costs 0, without a slope.
    Source: Berman et al. 2018, The Lovász-Softmax Loss.

    >>> float(Lovasz()([[[1.0], [0.0]]], [[[1.0], [1.0]]]))
    0.5

    Args:
        classes: "present": the mean over classes that the image has; "all": over all. None:
            present where classes exclude each other, all where they do not.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for `classes` that do not exist.
    """

    pools = True
    kinds = ("mask", "class_mask")
    source = "Berman et al. 2018, The Lovász-Softmax Loss"
    search = {"classes": Choice(("present", "all"))}
    variants = ({}, {"from_logits": True, "classes": "present"}, {"classes": "all"})

    def __init__(
        self,
        classes: str | None = None,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        if classes not in (None, "present", "all"):
            raise ValueError(f"Lovasz: classes must be 'present', 'all' or None, got {classes!r}.")
        self.classes = classes

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        y, p = super().read(y_true, y_pred)
        exclusive = is_exclusive(self.exclusive, y_true, y_pred)
        return (y, "present" if exclusive else "all"), p

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        y, default = y
        values, present = extension(ops.abs(y - p), y, weight)
        return self.class_mean(values, present if (self.classes or default) == "present" else None)


class LovaszHinge(RegionLoss):
    """The Lovász extension over the hinge errors of logits, for independent masks.

        m_i = max(0, 1 - x_i (2 y_i - 1)), sorted downwards
        loss = mean_c sum_k m_k (J_k - J_{k-1}),   J as in `Lovasz`

    over the pixels of one image (over the batch: `Pooled(LovaszHinge())`).

    Reads: y_pred: (batch, *spatial, C) logits. y_true: hard masks of the same shape.
    Returns: (batch,), >= 0.
    Edges: an empty mask costs the largest error alone.
    Source: Berman et al. 2018, The Lovász-Softmax Loss; Yu and Blaschko 2015, Learning
        Submodular Losses with the Lovász Hinge.

    >>> float(LovaszHinge()([[[1.0], [0.0]]], [[[5.0], [-0.5]]]))
    0.25

    Args:
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
    """

    pools = True
    kinds = ("mask",)
    source = "Berman et al. 2018, The Lovász-Softmax Loss"

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, False, True, **base)

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return targets(y_true, y_pred), y_pred

    def score(self, y: Any, x: Any, weight: Any) -> Any:
        errors = ops.maximum(1.0 - x * (2.0 * y - 1.0), 0.0)
        return self.class_mean(extension(errors, y, weight)[0])


def extension(errors: Any, y: Any, weight: Any) -> tuple[Any, Any]:
    """(batch, C): the Lovász extension of 1 - IoU at `errors`, and which classes are present."""
    if weight is not None:
        weight = pixels_last(ops.broadcast_to(weight, ops.shape(errors)))
    errors, y = pixels_last(errors), pixels_last(y)
    if weight is None:
        order = ops.argsort(-ops.stop_gradient(errors), axis=-1)
        weight = 1.0
    else:
        errors = ops.where(weight > 0, errors, 0.0)
        order = ops.argsort(ops.where(weight > 0, -ops.stop_gradient(errors), 1.0), axis=-1)
        weight = ops.take_along_axis(weight, order, axis=-1)
    errors, y = (ops.take_along_axis(x, order, axis=-1) for x in (errors, y))
    seen = ops.cumsum(weight * y, axis=-1)
    size = seen[..., -1:]
    union = size + ops.cumsum(weight * (1.0 - y), axis=-1)
    # What one more wrong pixel adds to 1 - IoU: a missed one leaves the intersection, a false one
    # joins the union. On an empty mask the first false one costs all.
    missed = divide(weight, union)
    false = divide((size - seen) * weight, union * (union - weight))
    first = ops.equal(ops.arange(errors.shape[-1] or ops.shape(errors)[-1]), 0)
    false = ops.where(size > 0, false, ops.cast(first, errors.dtype))
    steps = y * missed + (1.0 - y) * false
    return ops.sum(errors * ops.stop_gradient(steps), axis=-1), size[..., 0] > 0


def pixels_last(x: Any) -> Any:
    """(batch, *spatial, C) as (batch, C, pixels)."""
    flat = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
    return ops.transpose(flat, (0, 2, 1))
