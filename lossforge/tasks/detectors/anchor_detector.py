"""Detectors that score anchors and shift them: what their losses read, and how they decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import mean_over_replicas, replicas
from lossforge.losses.boxes import box_geometry
from lossforge.recipe import Reading, Slot
from lossforge.tasks.anchors import match_anchors

SLOTS = {
    "classification": Slot(
        "classification",
        ("multilabel", "quality"),
        {"task": "multilabel", "from_logits": True, "reduction": "sum"},
    ),
    "box": Slot("box", ("boxes", "regression"), {"reduction": "sum"}),
}


class AnchorDetector:
    """A network over anchors, behind the one contract of detectors.

    Losses read, for B images, A anchors and C classes, all in float32:

    * slot `classification`: y_pred logits (B, A, C); y_true one-hot (B, A, C), zeros for
      background; for losses of Kind `quality` the one holds the IoU of the decoded box instead.
      Weight C / N for every anchor that is not ignored (losses average over classes).
    * slot `box`: for Kind `boxes`, decoded and matched boxes (B, A, 4), x1 y1 x2 y2, in units of
      the image's side; for Kind `regression`, offsets (B, A, 4). Weight 1 / N, 4 / N for offsets,
      where positive.

    N is the number of positive anchors in the batch, at least 1: an image set without objects
    costs what its background costs. Anchors that do not count hold harmless values.

    Args:
        network: images (B, S, S, 3), 0..255, to outputs.
        anchors: (A, 4), x1 y1 x2 y2 in pixels.
        image_size: S, pixels.
        variances: of the offsets' coding (`box_geometry.encode_offsets`).
        split: outputs to (logits (B, A, C), offsets dx dy dw dh (B, A, 4)).
    """

    slots = SLOTS

    def __init__(
        self,
        network: Any,
        anchors: np.ndarray,
        image_size: int,
        variances: Sequence[float],
        split: Callable[[Any], tuple[Any, Any]],
    ) -> None:
        self.network = network
        self.anchors = anchors
        self.image_size = image_size
        self.variances = tuple(variances)
        self.split = split

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        logits, offsets = (ops.cast(x, "float32") for x in self.split(outputs))
        anchors = ops.convert_to_tensor(self.anchors)
        matches = match_anchors(anchors, ops.cast(target["boxes"], "float32"), target["labels"])
        positive = matches.positive
        matched = box_geometry.where_real(positive, matches.boxes / self.image_size)
        decoded = box_geometry.decode_offsets(offsets, anchors, self.variances)
        decoded = box_geometry.where_real(positive, decoded / self.image_size)
        coded = box_geometry.encode_offsets(matches.boxes, anchors, self.variances)
        coded = ops.where(positive[..., None], coded, 0.0)
        offsets = ops.where(positive[..., None], offsets, 0.0)
        one_hot = ops.one_hot(matches.labels, logits.shape[-1], dtype="float32")
        overlap = ops.stop_gradient(box_geometry.iou(decoded, matched))

        count = mean_over_replicas(ops.sum(ops.cast(positive, "float32")))
        share = 1.0 / ops.maximum(count, 1.0 / replicas())
        counts = ops.cast(ops.logical_not(matches.ignored), "float32") * share
        found = ops.cast(positive, "float32") * share
        counts = counts * logits.shape[-1]
        return {
            "classification": {
                "multilabel": Reading(one_hot, logits, counts),
                "quality": Reading(one_hot * overlap[..., None], logits, counts),
            },
            "box": {
                "boxes": Reading(matched, decoded, found),
                "regression": Reading(coded, offsets, 4.0 * found),
            },
        }

    def decode(self, outputs: Any) -> tuple[Any, Any]:
        """Boxes x1 y1 x2 y2 in pixels (B, A, 4), inside the image, and scores (B, A, C)."""
        logits, offsets = (ops.cast(x, "float32") for x in self.split(outputs))
        # Inside the graph: to converters a tensor from outside is one more input.
        anchors = ops.zeros_like(offsets) + self.anchors
        boxes = box_geometry.decode_offsets(offsets, anchors, self.variances)
        return ops.clip(boxes, 0.0, float(self.image_size)), ops.sigmoid(logits)
