"""Calibrated masks: logits that say no more than the labels around a pixel allow."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.image.windows import slide
from lossforge.losses.segmentation.regions import RegionLoss, spatial_mean
from lossforge.ranges import Float


class NACL(RegionLoss):
    """Cross-entropy that holds logits near to how frequent each class is around the pixel.

        t_ic = share of class c among the pixels of a window around i
        loss = mean_i [-log softmax(z_i)_{y_i} + weight mean_c |z_ic - t_ic|]

    The second term bounds logits where labels agree and draws them together at edges, so that
    confidence means accuracy.

    Reads: y_pred: (batch, *spatial, C) logits with `from_logits=True`; probabilities are taken as
        their softmax, z = log p. y_true: class ids (batch, *spatial) or one-hot
        (batch, *spatial, C).
    Returns: (batch,).
    Edges: windows are cut to the image, and to pixels that count.
    Source: Murugesan et al. 2023, Trust your neighbours: Penalty-based constraints for model
        calibration, equation 7; with a uniform window.

    >>> loss = NACL(weight=1.0, from_logits=True)
    >>> round(float(loss([[0, 0]], [[[0.0, 0.0], [0.0, 0.0]]])), 4)  # log 2 + 1 / 2
    1.1931

    Args:
        weight: of the constraint, >= 0; the authors' 0.1.
        window: pixels a side, odd; the paper's 3.
        ignore_class: a label whose pixels do not count.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range or an even window.
    """

    kinds = ("class_mask",)
    source = "Murugesan et al. 2023, Trust your neighbours: Penalty-based constraints"
    minimum = None
    best_at_perfect = False  # the constraint does not let logits become large
    search = {"weight": Float(0.01, 0.5, log=True)}
    variants = ({}, {"from_logits": True, "weight": 0.5}, {"from_logits": True, "window": 5})

    def __init__(
        self,
        weight: float = 0.1,
        window: int = 3,
        ignore_class: int | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(None, ignore_class, True, from_logits, **base)
        self.weight = check_range("NACL", "weight", weight, 0.0)
        if window % 2 != 1 or window < 1:
            raise ValueError(f"NACL: window must be an odd whole number, got {window!r}.")
        self.window = int(window)

    def probabilities(self, y_true: Any, y_pred: Any) -> Any:
        """Logits: what both terms read."""
        return logp.log_softmax(y_pred, False) if not self.from_logits else y_pred

    def score(self, y: Any, z: Any, weight: Any) -> Any:
        counts = ops.ones_like(z)
        if weight is not None:
            counts = counts * ops.cast(weight > 0, z.dtype)
        seen = self._around(counts)
        share = self._around(counts * y) / ops.where(seen > 0, seen, 1.0)
        own = -ops.sum(y * ops.log_softmax(z, axis=-1), axis=-1, keepdims=True)
        apart = ops.sum(ops.abs(z - share), axis=-1, keepdims=True) / z.shape[-1]
        return spatial_mean(own + self.weight * apart, weight)[:, 0]

    def _around(self, x: Any) -> Any:
        """The mean of a window around each pixel, with zeros outside of the image."""
        margin = (self.window - 1) // 2
        spatial = len(x.shape) - 2
        padded = ops.pad(x, ((0, 0), *[(margin, margin)] * spatial, (0, 0)))
        return slide(padded, [np.full(self.window, 1.0 / self.window)] * spatial)
