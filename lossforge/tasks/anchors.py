"""The anchor grid of a one-stage detector, and which object each anchor answers for."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from lossforge.losses.boxes import box_geometry


def anchor_grid(
    image_size: int,
    strides: Sequence[int],
    sizes: Sequence[Sequence[float]],
    ratios: Sequence[float] = (1.0,),
) -> np.ndarray:
    """All anchors of an image, `(A, 4)` float32, x1 y1 x2 y2 in pixels.

    Level by level, row by row, and in each cell `sizes` x `ratios`: the order in which a
    convolution with `len(sizes[level]) * len(ratios)` groups of channels, reshaped to `(B, A, -1)`,
    lists its predictions. Cells are centred at `(i + 0.5) * stride`; there are
    `ceil(image_size / stride)` in a row, as `padding="same"` makes them.

    Args:
        image_size: side of the square image, pixels.
        strides: pixels a cell, for each level.
        sizes: for each level the anchors' sides `sqrt(width * height)`, pixels.
        ratios: width / height.
    """
    if len(strides) != len(sizes):
        raise ValueError(f"Got {len(strides)} strides for {len(sizes)} levels of anchor sizes.")
    levels = []
    for stride, level_sizes in zip(strides, sizes, strict=True):
        cells = (np.arange(-(-image_size // stride)) + 0.5) * stride
        y, x = np.meshgrid(cells, cells, indexing="ij")
        shapes = [(s * np.sqrt(r), s / np.sqrt(r)) for s in level_sizes for r in ratios]
        half = np.asarray(shapes) / 2
        centres = np.stack([x, y], axis=-1)[:, :, None, :]
        levels.append(np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype("float32")


class Matches(NamedTuple):
    """What each anchor should predict. All `(B, A)` but `boxes`."""

    boxes: Any  # (B, A, 4): the object the anchor overlaps most, meaningful where positive
    labels: Any  # int32 class of that object, -1 where not positive
    positive: Any  # bool: answers for that object
    ignored: Any  # bool: too close to call; neither an object nor background


def match_anchors(
    anchors,
    boxes,
    labels,
    positive_iou: float = 0.5,
    negative_iou: float = 0.4,
    best_anchor: bool = True,
) -> Matches:
    """Assign to each anchor the object that it overlaps most.

        positive   IoU >= positive_iou
        ignored    negative_iou <= IoU < positive_iou
        background IoU < negative_iou

    With `best_anchor`, an object's best anchor is positive too, whatever its IoU above 0, so that
    no object goes without one. If two objects want the same anchor, the larger IoU has it.

    Args:
        anchors: `(A, 4)`. boxes: `(B, M, 4)` in the same unit. labels: `(B, M)`, -1 is padding.

    Source: Lin et al. 2017, Focal loss, section 4; Ren et al. 2015, Faster R-CNN, section 3.1.2
    (the best anchor). Cost: O(B A M).
    """
    real = labels >= 0
    overlap = box_geometry.pairwise_iou(boxes, anchors[None])  # (B, M, A)
    overlap = ops.where(real[..., None], overlap, -1.0)
    best = ops.max(overlap, axis=1)
    index = ops.argmax(overlap, axis=1)  # (B, A)
    positive = best >= positive_iou
    ignored = (best >= negative_iou) & ~positive

    if best_anchor:
        favourite = ops.one_hot(
            ops.argmax(overlap, axis=2), overlap.shape[2], dtype=overlap.dtype
        )  # (B, M, A)
        claim = ops.where(favourite > 0, overlap, -1.0)
        strongest = ops.max(claim, axis=1)
        claimed = strongest > 0
        index = ops.where(claimed, ops.argmax(claim, axis=1), index)
        positive = positive | claimed
        ignored = ignored & ~claimed

    index = ops.cast(index, "int32")
    matched = ops.take_along_axis(boxes, index[..., None], axis=1)
    classes = ops.take_along_axis(ops.cast(labels, "int32"), index, axis=1)
    return Matches(matched, ops.where(positive, classes, -1), positive, ignored)
