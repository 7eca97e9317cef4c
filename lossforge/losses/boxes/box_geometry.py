"""Areas, overlaps and codings of boxes, shared by box losses, matching and decoding.

Boxes are `(..., 4)`: x1 y1 x2 y2 in one unit, x1 <= x2 and y1 <= y2. Elementwise functions
broadcast their leading axes. Everything is `keras.ops`, so it differentiates and compiles on every
backend.

Edges, the same in all functions: an inverted box (x2 < x1 or y2 < y1) has area 0; a ratio whose
denominator vanishes is 0, with a finite gradient; NaN in gives NaN out.
"""

from collections.abc import Sequence

import keras
from keras import ops

MAX_LOG_SCALE = 4.135166556742356
"""log(1000 / 16): a decoded side is at most 62.5 anchor sides (Detectron's bound)."""

_SMALLEST_RATIO = 1e-6
_PADDING_BOX = (0.0, 0.0, 1.0, 1.0)


def coordinates(boxes):
    """Split `(..., 4)` into its four coordinates, each `(...)`."""
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]


def divide(numerator, denominator):
    """`numerator / denominator` for denominators >= 0, with the denominator kept off zero.

    The floor is 1e-12 (1e-7 in half precision): areas below it are far beyond a pixel when the
    unit is the image side, and the gradient stays finite.
    """
    half = keras.backend.standardize_dtype(denominator.dtype) in ("float16", "bfloat16")
    return numerator / ops.maximum(denominator, 1e-7 if half else 1e-12)


def size(boxes):
    """Width and height, each `(...)`, 0 for an inverted side."""
    x1, y1, x2, y2 = coordinates(boxes)
    return ops.maximum(x2 - x1, 0), ops.maximum(y2 - y1, 0)


def centre(boxes):
    """Centre x and y, each `(...)`."""
    x1, y1, x2, y2 = coordinates(boxes)
    return (x1 + x2) / 2, (y1 + y2) / 2


def area(boxes):
    """Width times height, `(...)`."""
    width, height = size(boxes)
    return width * height


def intersection(a, b):
    """Area that both boxes cover, `(...)`."""
    ax1, ay1, ax2, ay2 = coordinates(a)
    bx1, by1, bx2, by2 = coordinates(b)
    width = ops.maximum(ops.minimum(ax2, bx2) - ops.maximum(ax1, bx1), 0)
    height = ops.maximum(ops.minimum(ay2, by2) - ops.maximum(ay1, by1), 0)
    return width * height


def union(a, b):
    """Area that at least one box covers, `(...)`."""
    return area(a) + area(b) - intersection(a, b)


def hull(a, b):
    """The smallest box around both, `(..., 4)`."""
    ax1, ay1, ax2, ay2 = coordinates(a)
    bx1, by1, bx2, by2 = coordinates(b)
    return ops.stack(
        [
            ops.minimum(ax1, bx1),
            ops.minimum(ay1, by1),
            ops.maximum(ax2, bx2),
            ops.maximum(ay2, by2),
        ],
        axis=-1,
    )


def iou(a, b):
    """Intersection over union, elementwise: `(...)` in [0, 1]; 0 for two empty boxes."""
    shared = intersection(a, b)
    return divide(shared, area(a) + area(b) - shared)


def pairwise_iou(a, b):
    """Intersection over union of each with each: `(..., N, 4)`, `(..., M, 4)` -> `(..., N, M)`."""
    return iou(a[..., :, None, :], b[..., None, :, :])


def to_centre_size(boxes):
    """Corners to cx cy w h, `(..., 4)`; the sides are not clipped, so the way back is exact."""
    x1, y1, x2, y2 = coordinates(boxes)
    return ops.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=-1)


def to_corners(boxes):
    """cx cy w h to x1 y1 x2 y2, `(..., 4)`."""
    x, y, width, height = coordinates(boxes)
    return ops.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1)


def encode_offsets(boxes, anchors, variances: Sequence[float] = (1.0, 1.0, 1.0, 1.0)):
    """Boxes as seen from their anchors, `(..., 4)`: the targets of a regression head.

        dx = (x - xa) / wa / v0      dw = log(w / wa) / v2      (centres x, y; sides w, h)

    An empty side counts as a millionth of the anchor's, so the result is finite.
    Source: Girshick et al. 2014, R-CNN, appendix C; variances as in SSD.
    """
    x, y = centre(boxes)
    width, height = size(boxes)
    xa, ya = centre(anchors)
    wa, ha = size(anchors)
    return ops.stack(
        [
            (x - xa) / wa / variances[0],
            (y - ya) / ha / variances[1],
            ops.log(ops.maximum(width / wa, _SMALLEST_RATIO)) / variances[2],
            ops.log(ops.maximum(height / ha, _SMALLEST_RATIO)) / variances[3],
        ],
        axis=-1,
    )


def decode_offsets(offsets, anchors, variances: Sequence[float] = (1.0, 1.0, 1.0, 1.0)):
    """The inverse of `encode_offsets`: offsets and anchors `(..., 4)` to boxes `(..., 4)`.

    Sides are `wa * exp(min(v2 * dw, MAX_LOG_SCALE))`: corners can't swap and nothing overflows.
    """
    dx, dy, dw, dh = coordinates(offsets)
    xa, ya = centre(anchors)
    wa, ha = size(anchors)
    return to_corners(
        ops.stack(
            [
                xa + dx * variances[0] * wa,
                ya + dy * variances[1] * ha,
                wa * ops.exp(ops.minimum(dw * variances[2], MAX_LOG_SCALE)),
                ha * ops.exp(ops.minimum(dh * variances[3], MAX_LOG_SCALE)),
            ],
            axis=-1,
        )
    )


def where_real(real, boxes):
    """`boxes` where `real` (`(...)`, bool), elsewhere a harmless unit box: masks BEFORE a loss.

    A weight of 0 does not remove an overflow (`inf * 0` is NaN), a `where` does.
    """
    harmless = ops.cast(ops.convert_to_tensor(_PADDING_BOX), boxes.dtype)
    return ops.where(real[..., None], boxes, harmless)
