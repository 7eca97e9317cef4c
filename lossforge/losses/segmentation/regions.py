"""Reading masks of any number of spatial axes; pixels weigh inside the sums of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from keras import ops

from lossforge.losses.base import Loss, _combine, align, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.embedding.distances import _epsilon


class RegionLoss(Loss):
    """The base of losses whose value belongs to an image as a whole: one number per image.

    Subclasses write `score(y, p, weight)`: targets and predictions of shape
    (batch, *spatial, C), and pixel weights of the same rank, or None.

    A `sample_weight` or mask of shape (batch,) multiplies the value of an image. One with spatial
    axes, such as (batch, height, width), goes inside the sums: a pixel of weight 0 is as if it
    were not in the image, and an image without any visible pixel does not count. Pixels whose
    label is `ignore_class` are masked in the same way.

    Args:
        class_weight: one number >= 0 a class, the weights of the mean over classes; 0 leaves a
            class out, such as the background in `[0, 1, 1]`. None: all alike.
        ignore_class: a label whose pixels do not count, such as 255.
        exclusive: whether classes exclude each other, so that logits go through a softmax. None:
            when targets are class ids and there is more than one output.
        from_logits: whether predictions are logits.
    """

    pools: ClassVar[bool] = False
    """True where the sums run over pixels in any order, so that a batch can be one image."""
    keeps_ids: ClassVar[bool] = False
    """True where `score` reads class ids (batch, *spatial) as they are, without one-hot targets."""

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.class_weight = check_class_weight(type(self).__name__, class_weight)
        self.ignore_class = ignore_class
        self.exclusive = None if exclusive is None else bool(exclusive)
        self.from_logits = bool(from_logits)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define score(y, p, weight).")

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets and probabilities, both (batch, *spatial, C)."""
        p = self.probabilities(y_true, y_pred)
        if self.keeps_ids and y_pred.shape[-1] > 1 and logp.is_class_ids(y_true, y_pred):
            return logp.class_ids(y_true, y_pred), p
        return targets(y_true, y_pred), p

    def probabilities(self, y_true: Any, y_pred: Any) -> Any:
        if not self.from_logits:
            return y_pred
        softmax = is_exclusive(self.exclusive, y_true, y_pred)
        return ops.softmax(y_pred, axis=-1) if softmax else ops.sigmoid(y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.score(*self.read(y_true, y_pred), None)

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        if self.ignore_class is None:
            return None
        return ops.not_equal(y_true, ops.cast(self.ignore_class, y_true.dtype))

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        if sample_weight is None and mask is None:
            return super().weighted_values(y_true, y_pred)
        weight, mask = self._weight(sample_weight, mask)
        y_true, y_pred = self._without(_combine(weight, mask), y_true, y_pred)
        pixels = None
        if mask is not None and not is_per_image(mask):
            pixels = align(ops.cast(mask, self.dtype), y_pred)
            mask = any_visible(mask)
        if weight is not None and not is_per_image(weight):
            pixel_weight = align(weight, y_pred)
            pixels = pixel_weight if pixels is None else pixels * pixel_weight
            weight = ops.cast(any_visible(ops.not_equal(weight, 0)), self.dtype)
        values = self.score(*self.read(y_true, y_pred), pixels)
        return self.apply_weight(values, weight, mask)

    def class_mean(self, values: Any, present: Any = None) -> Any:
        """The weighted mean of (batch, C) over classes, or over those present (batch, C)."""
        weight = ops.ones_like(values)
        if self.class_weight is not None:
            weight = weight * class_weights(type(self).__name__, self.class_weight, values)
        if present is not None:
            weight = weight * ops.cast(present, values.dtype)
        return divide(ops.sum(weight * values, axis=-1), ops.sum(weight, axis=-1))


def targets(y_true: Any, y_pred: Any) -> Any:
    """Targets in the shape and dtype of the predictions, from ids, one-hot, multi-hot or soft."""
    if y_pred.shape[-1] == 1:
        return logp.binary_targets(y_true, y_pred)
    return logp.one_hot_targets(y_true, y_pred)


def is_exclusive(exclusive: bool | None, y_true: Any, y_pred: Any) -> bool:
    if exclusive is not None:
        return exclusive
    return y_pred.shape[-1] > 1 and logp.is_class_ids(y_true, y_pred)


def is_per_image(weight: Any) -> bool:
    return all(size == 1 for size in weight.shape[1:])


def any_visible(mask: Any) -> Any:
    """(batch,): whether an image has a pixel that counts."""
    return ops.any(mask, axis=tuple(range(1, len(mask.shape))))


def spatial_axes(x: Any) -> tuple[int, ...]:
    return tuple(range(1, len(x.shape) - 1))


def spatial_sum(x: Any, weight: Any = None) -> Any:
    """(batch, C): the weighted sum of (batch, *spatial, C) over all spatial axes."""
    x = x if weight is None else x * weight
    shape = ops.shape(x)
    if len(shape) > 3:  # rows of all channels first: long sums are twice as fast as short ones
        x = ops.sum(ops.reshape(x, (shape[0], shape[1], -1)), axis=1)
        x = ops.reshape(x, (shape[0], -1, shape[-1]))
    return ops.sum(x, axis=1)


def spatial_mean(x: Any, weight: Any = None) -> Any:
    """(batch, C): the weighted mean over all spatial axes; 0 where nothing weighs."""
    if weight is None:
        weight = ops.ones_like(x[:1])
    weight = ops.broadcast_to(weight, ops.shape(x))
    return divide(spatial_sum(x, weight), spatial_sum(weight))


def hide(x: Any, weight: Any) -> Any:
    """`x` with 0 in the pixels of weight 0."""
    return x if weight is None else ops.where(weight > 0, x, 0.0)


def neighbours(x: Any, axis: int, border: str) -> tuple[Any, Any]:
    """The pixel before and the one after each along an axis; `border`: "constant" 0, "symmetric"
    the outermost pixel itself."""
    width = [(0, 0)] * len(x.shape)
    width[axis] = (1, 1)
    padded = ops.pad(x, width, mode=border)
    before, after = [slice(None)] * len(x.shape), [slice(None)] * len(x.shape)
    before[axis], after[axis] = slice(0, -2), slice(2, None)
    return padded[tuple(before)], padded[tuple(after)]


def overlap(y: Any, p: Any) -> Any:
    """The part that target and prediction share, element by element: min(y, p).

    For hard labels it is y p, with the gradient of y p also at p = 0 and p = 1. For soft labels
    it reaches y at p = y, where the product does not (Wang et al. 2023, Jaccard Metric Losses).
    """
    slack = 1.0 + 4.0 * _epsilon(y)  # p = y = 1 is on the side of p, p = y = 0 on that of y
    return ops.where(p >= slack * y, y, p)  # so that a p of NaN stays


def divide(a: Any, b: Any) -> Any:
    """a / b, and 0 with a slope of 0 where b is 0."""
    empty = ops.equal(b, 0)
    return ops.where(empty, 0.0, a / ops.where(empty, 1.0, b))


def class_weights(loss: str, weight: Sequence[float], like: Any) -> Any:
    if len(weight) != like.shape[-1]:
        raise ValueError(
            f"{loss}: class_weight has {len(weight)} numbers, "
            f"but the predictions have {like.shape[-1]} classes."
        )
    return ops.convert_to_tensor(weight, dtype=like.dtype)


def check_class_weight(loss: str, weight: Sequence[float] | None) -> list[float] | None:
    if weight is None:
        return None
    weight = [check_range(loss, "class_weight", w, 0.0) for w in weight]
    if not sum(weight) > 0:
        raise ValueError(f"{loss}: class_weight must hold a number above 0, got {weight!r}.")
    return weight
