"""Unified focal loss, one pixel at a time."""

import math

from oracles.segmentation.masks import per_image
from oracles.segmentation.overlap import tversky_index


def unified_focal(
    y_true, y_pred, share, delta, gamma, asymmetric, class_weight, ignore_class, from_logits
):
    def one_class(y, p):
        pixels = 0.0
        for a, b in zip(y, p, strict=True):
            if a == 1:
                pixels -= delta * (1 if asymmetric else (1 - b) ** gamma) * math.log(b)
            else:
                pixels -= (1 - delta) * b**gamma * math.log(1 - b)
        missed = 1 - tversky_index(y, p, 1 - delta, delta, 1.0)
        rest = 1 - tversky_index([1 - a for a in y], [1 - b for b in p], 1 - delta, delta, 1.0)
        overlap = missed ** (1 - gamma) + (rest if asymmetric else rest ** (1 - gamma))
        return share * overlap / 2 + (1 - share) * pixels / len(y)

    return per_image(y_true, y_pred, from_logits, False, one_class)
