"""Focal cross-entropy and focal Tversky under one pair of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.segmentation.overlap import power, tversky
from lossforge.losses.segmentation.regions import RegionLoss, spatial_mean, targets
from lossforge.ranges import Choice, Float


class UnifiedFocal(RegionLoss):
    """Pixels and overlap together: the background fades, a small object keeps its pull.

        focal   = -mean_i [delta y_i log p_i + (1 - delta) (1 - y_i) p_i^gamma log(1 - p_i)]
        tversky = (t_background + t_object^(1 - gamma)) / 2
        loss    = mean_c share tversky + (1 - share) focal

    with t = (a FP + b FN) / (TP + a FP + b FN + 1), a = 1 - delta, b = delta, over the pixels i of
    one image. Symmetric, the object fades by (1 - p_i)^gamma and t_background has the power too.
    Each channel is an object of its own against the rest, so that any number of classes is read.

    Reads: y_pred: (batch, *spatial, C) independent probabilities, or logits with
        `from_logits=True`. y_true: masks in [0, 1] of the same shape.
    Returns: (batch,), >= 0.
    Edges: an empty mask predicted empty costs 0. Exponents are the authors' code's; the paper
        prints 1 - gamma for the focal part, which is the same at its gamma of 0.5.
    Source: Yeung et al. 2022, Unified Focal Loss: Generalising Dice and Cross Entropy-based Losses
        to Handle Class Imbalanced Medical Image Segmentation.

    >>> round(float(UnifiedFocal(share=0.0)([[[1.0]]], [[[0.5]]])), 4)  # 0.6 log 2
    0.4159

    Args:
        share: of the overlap part, in [0, 1]; the paper's lambda, 0.5.
        delta: weight of the object and of false negatives, in [0, 1]; the paper's 0.6.
        gamma: how much is bent, in [0, 1); the paper's 0.5.
        asymmetric: whether only the background fades.
        class_weight: weights of the mean over classes; 0 leaves a class out. None: all alike.
        ignore_class: a label whose pixels do not count.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("mask",)
    source = "Yeung et al. 2022, Unified Focal Loss"
    search = {
        "share": Float(0.1, 0.9),
        "delta": Float(0.4, 0.9),
        "gamma": Float(0.1, 0.9),
        "asymmetric": Choice((True, False)),
    }
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "asymmetric": False},
        {"from_logits": True, "share": 0.2, "delta": 0.8, "gamma": 0.2},
    )

    def __init__(
        self,
        share: float = 0.5,
        delta: float = 0.6,
        gamma: float = 0.5,
        asymmetric: bool = True,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, False, from_logits, **base)
        self.share = check_range("UnifiedFocal", "share", share, 0.0, 1.0)
        self.delta = check_range("UnifiedFocal", "delta", delta, 0.0, 1.0)
        self.gamma = check_range("UnifiedFocal", "gamma", gamma, 0.0, 1.0 - 1e-6)
        self.asymmetric = bool(asymmetric)

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return targets(y_true, y_pred), y_pred

    def score(self, y: Any, x: Any, weight: Any) -> Any:
        log_p, log_q = logp.log_sigmoid(x, self.from_logits)
        overlap = self._overlap(y, ops.exp(log_p), ops.exp(log_q), weight)
        pixels = self._focal(y, log_p, log_q, weight)
        return self.class_mean(self.share * overlap + (1.0 - self.share) * pixels)

    def _focal(self, y: Any, log_p: Any, log_q: Any, weight: Any) -> Any:
        of_object, of_rest = -log_p, -ops.exp(self.gamma * log_p) * log_q
        if not self.asymmetric:
            of_object = ops.exp(self.gamma * log_q) * of_object
        values = self.delta * y * of_object + (1.0 - self.delta) * (1.0 - y) * of_rest
        return spatial_mean(values, weight)

    def _overlap(self, y: Any, p: Any, q: Any, weight: Any) -> Any:
        a, b = 1.0 - self.delta, self.delta
        of_object = power(tversky(y, p, weight, a, b, 1.0), 1.0 - self.gamma)
        of_rest = tversky(1.0 - y, q, weight, a, b, 1.0)
        if not self.asymmetric:
            of_rest = power(of_rest, 1.0 - self.gamma)
        return 0.5 * (of_object + of_rest)
