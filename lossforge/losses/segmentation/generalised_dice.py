"""Dice over all classes at once: weighed by their rarity, or by how far apart they mean to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.segmentation.regions import (
    RegionLoss,
    class_weights,
    divide,
    overlap,
    spatial_sum,
)
from lossforge.ranges import Choice, Float

EXPONENTS = {"square": 2.0, "simple": 1.0, "uniform": 0.0}


class GeneralisedDice(RegionLoss):
    """One Dice over all classes, in which small classes weigh as much as large ones.

        w_c = (min_k n_k / n_c)^e,   n_c = sum_i y_ic,   e = 2 square, 1 simple, 0 uniform
        loss = 1 - (2 sum_c w_c sum_i t_ic + smooth) / (sum_c w_c sum_i (y_ic + p_ic) + smooth)

    over the pixels i of one image; t = min(y, p), which is y p for hard labels. The paper's
    1 / n_c^2 is the same up to a factor; relative to the rarest class, `smooth` is in its pixels
    and a large image needs no other one.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        masks of the same shape, or class ids (batch, *spatial). One channel is read as two
        classes, it and the background.
    Returns: (batch,) in [0, 1].
    Edges: an absent class weighs 1, as the rarest one present; a class without pixels of its own
        has no infinite weight.
    Source: Sudre et al. 2017, Generalised Dice Overlap as a Deep Learning Loss Function for Highly
        Unbalanced Segmentations.

    >>> float(GeneralisedDice()([[0, 0, 1]], [[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]))
    0.0

    Args:
        weighting: "square" (the paper's), "simple" or "uniform".
        smooth: added above and below, >= 0; in pixels of the rarest class.
        class_weight: further factors of the classes. None: all alike.
        ignore_class: a label whose pixels do not count.
        exclusive: whether logits go through a softmax; None: when targets are class ids.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range or a weighting that does not exist.
    """

    pools = True
    kinds = ("mask", "class_mask")
    source = "Sudre et al. 2017, Generalised Dice Overlap"
    search = {"weighting": Choice(tuple(EXPONENTS)), "smooth": Float(1e-3, 10.0, log=True)}
    variants = (
        {},
        {"from_logits": True, "weighting": "simple"},
        {"weighting": "uniform", "smooth": 0.1},
    )

    def __init__(
        self,
        weighting: str = "square",
        smooth: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_class: int | None = None,
        exclusive: bool | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(class_weight, ignore_class, exclusive, from_logits, **base)
        if weighting not in EXPONENTS:
            raise ValueError(
                f"GeneralisedDice: weighting must be one of {', '.join(EXPONENTS)}, "
                f"got {weighting!r}."
            )
        self.weighting = weighting
        self.smooth = check_range("GeneralisedDice", "smooth", smooth, 0.0)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        if y.shape[-1] == 1:
            y, p = ops.concatenate([y, 1.0 - y], -1), ops.concatenate([p, 1.0 - p], -1)
        shared, size = spatial_sum(overlap(y, p), weight), spatial_sum(y, weight)
        rarity = ops.stop_gradient(self._rarity(size))
        shared = ops.sum(rarity * shared, axis=-1)
        sizes = ops.sum(rarity * (size + spatial_sum(p, weight)), axis=-1)
        return divide(sizes - 2.0 * shared, sizes + self.smooth)

    def _rarity(self, size: Any) -> Any:
        present = size > 0
        rarest = ops.min(ops.where(present, size, float("inf")), axis=-1, keepdims=True)
        share = ops.where(present, rarest, 1.0) / ops.where(present, size, 1.0)
        rarity = ops.power(share, EXPONENTS[self.weighting])
        if self.class_weight is None:
            return rarity
        return rarity * class_weights("GeneralisedDice", self.class_weight, size)


class WassersteinDice(RegionLoss):
    """Dice in which a mistake costs as much as the confused classes are apart.

        W_i = sum_l sum_k y_il M_lk p_ik,   a_l = M_lb for the background b
        TP = sum_l a_l sum_i y_il (1 - W_i),   E = sum_i W_i
        loss = 1 - (2 TP + smooth) / (2 TP + E + smooth)

    M_lk in [0, 1] says how bad it is to take class l for class k: tumour core for whole tumour
    may cost half of tumour for healthy.

    Reads: y_pred: (batch, *spatial, C) probabilities, or logits with `from_logits=True`. y_true:
        class ids (batch, *spatial), or one-hot (batch, *spatial, C).
    Returns: (batch,) in [0, 1].
    Edges: an image of background alone, predicted so, costs 0.
    Source: Fidon et al. 2017, Generalised Wasserstein Dice Score for Imbalanced Multi-class
        Segmentation.

    >>> loss = WassersteinDice([[0.0, 1.0], [1.0, 0.0]], smooth=0.0)
    >>> round(float(loss([[0, 1]], [[[1.0, 0.0], [0.5, 0.5]]])), 4)
    0.3333

    Args:
        distances: M, C rows of C numbers in [0, 1] with zeros on the diagonal. None: 1 between
            any two classes.
        background: index of the class that is not an object.
        smooth: added above and below, >= 0; in pixels.
        ignore_class: a label whose pixels do not count.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a matrix that is not square, has numbers out of range or a diagonal that is
            not 0.
    """

    pools = True
    kinds = ("class_mask",)
    source = "Fidon et al. 2017, Generalised Wasserstein Dice Score"
    search = {"smooth": Float(1e-3, 10.0, log=True)}
    variants = (
        {},
        {
            "distances": [[0.0, 1.0, 0.8], [1.0, 0.0, 0.3], [0.8, 0.3, 0.0]],
            "background": 1,
            "smooth": 0.1,
            "from_logits": True,
        },
    )

    def __init__(
        self,
        distances: Sequence[Sequence[float]] | None = None,
        background: int = 0,
        smooth: float = 1.0,
        ignore_class: int | None = None,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(None, ignore_class, True, from_logits, **base)
        self.distances = None if distances is None else checked_distances(distances)
        self.background = int(check_range("WassersteinDice", "background", background, 0))
        self.smooth = check_range("WassersteinDice", "smooth", smooth, 0.0)

    def score(self, y: Any, p: Any, weight: Any) -> Any:
        classes = y.shape[-1]
        matrix = 1.0 - np.eye(classes) if self.distances is None else np.array(self.distances)
        if len(matrix) != classes or self.background >= classes:
            raise ValueError(
                f"WassersteinDice: {len(matrix)} rows of distances and background "
                f"{self.background} do not fit predictions of {classes} classes."
            )
        matrix = ops.convert_to_tensor(matrix, dtype=p.dtype)
        price = ops.matmul(y, matrix)  # (batch, *spatial, C): what each class would cost here
        wrong = ops.sum(price * p, axis=-1, keepdims=True)
        hits = ops.sum(y * matrix[:, self.background], axis=-1, keepdims=True) * (1.0 - wrong)
        error = spatial_sum(wrong, weight)[..., 0]
        hits = spatial_sum(hits, weight)[..., 0]
        return divide(error, 2.0 * hits + error + self.smooth)


def checked_distances(distances: Sequence[Sequence[float]]) -> list[list[float]]:
    rows = [
        [check_range("WassersteinDice", "distances", v, 0.0, 1.0) for v in r] for r in distances
    ]
    if any(len(row) != len(rows) for row in rows):
        raise ValueError("WassersteinDice: distances must be a square matrix.")
    if any(rows[i][i] != 0 for i in range(len(rows))):
        raise ValueError("WassersteinDice: distances must be 0 between a class and itself.")
    return rows
