"""Balanced pixel losses, one pixel at a time."""

import math

import numpy as np
from oracles.segmentation.masks import channels, images, per_image


def edge_cross_entropy(y_true, y_pred, class_weight, ignore_class, from_logits):
    def one_class(y, p):
        share = sum(y) / len(y)
        total = 0.0
        for a, b in zip(y, p, strict=True):
            total -= (1 - share) * math.log(b) if a == 1 else share * math.log(1 - b)
        return total / len(y)

    return per_image(y_true, y_pred, from_logits, False, one_class)


def sensitivity_specificity(
    y_true, y_pred, ratio, class_weight, ignore_class, exclusive, from_logits
):
    def one_class(y, p):
        inside = [(a - b) ** 2 for a, b in zip(y, p, strict=True) if a == 1]
        outside = [(a - b) ** 2 for a, b in zip(y, p, strict=True) if a == 0]
        total = ratio * sum(inside) / len(inside) if inside else 0.0
        return total + ((1 - ratio) * sum(outside) / len(outside) if outside else 0.0)

    return per_image(y_true, y_pred, from_logits, exclusive, one_class)


def exponential_logarithmic(
    y_true,
    y_pred,
    gamma,
    dice_weight,
    smooth,
    class_weight,
    ignore_class,
    exclusive,
    from_logits,
):
    ids = y_true.ndim == y_pred.ndim - 1
    losses = []
    for truth, image in images(y_true, y_pred, from_logits, exclusive):
        dice, labels = [], []
        for y, p in channels(truth, image):
            both = sum(a * b for a, b in zip(y, p, strict=True))
            score = (2 * both + smooth) / (sum(y) + sum(p) + smooth)
            dice.append((-math.log(score)) ** gamma)
            for a, b in zip(y, p, strict=True):
                if a == 1:
                    labels.append((-math.log(b)) ** gamma)
                elif not ids:
                    labels.append((-math.log(1 - b)) ** gamma)
        mean = [sum(v) / len(v) for v in (dice, labels)]
        losses.append(dice_weight * mean[0] + (1 - dice_weight) * mean[1])
    return np.array(losses)
