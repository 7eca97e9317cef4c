"""Distances by comparing every pixel with every other one."""

import math

import numpy as np
from oracles.segmentation.masks import images


def nearest(place, mask, value):
    """Distance of a pixel to the nearest one where the mask has `value`."""
    return min(math.dist(place, other) for other in np.ndindex(*mask.shape) if mask[other] == value)


def has_edge(mask):
    return 0 < mask.sum() < mask.size


def over_classes(y_true, y_pred, from_logits, exclusive, one_class):
    losses = []
    for truth, image in images(y_true, y_pred, from_logits, exclusive):
        values = [one_class(truth[..., c], image[..., c]) for c in range(truth.shape[-1])]
        losses.append(sum(values) / len(values))
    return np.array(losses)


def boundary(y_true, y_pred, precomputed, class_weight, ignore_class, exclusive, from_logits):
    def one_class(y, p):
        total = 0.0
        for place in np.ndindex(*y.shape):
            if has_edge(y):
                phi = 1 - nearest(place, y, 0) if y[place] else nearest(place, y, 1)
                total += phi * p[place]
        return total / y.size

    return over_classes(y_true, y_pred, from_logits, exclusive, one_class)


def hausdorff_distance(
    y_true, y_pred, alpha, log, class_weight, ignore_class, exclusive, from_logits
):
    def one_class(y, p):
        cut = (p > 0.5).astype(float)
        total = 0.0
        for place in np.ndindex(*y.shape):
            for mask in (y, cut):
                if has_edge(mask):
                    far = nearest(place, mask, 1 - mask[place])
                    total += (p[place] - y[place]) ** 2 * far**alpha
        total /= y.size
        return math.log(1 + total) if log else total

    return over_classes(y_true, y_pred, from_logits, exclusive, one_class)


def hausdorff_erosion(
    y_true, y_pred, alpha, erosions, class_weight, ignore_class, exclusive, from_logits
):
    def one_class(y, p):
        error, total = (p - y) ** 2, 0.0
        for k in range(1, erosions + 1):
            eroded = np.zeros_like(error)
            for place in np.ndindex(*error.shape):
                around = [place]
                for axis in range(error.ndim):
                    for step in (-1, 1):
                        other = list(place)
                        other[axis] += step
                        around.append(tuple(other))
                inside = set(around) & set(np.ndindex(*error.shape))
                mean = sum(error[q] for q in inside) / len(around)
                eroded[place] = 2 * max(0.0, mean - 0.5)
            error = eroded
            total += sum(k**alpha * float(v) for v in error.ravel()) / error.size
        return total

    return over_classes(y_true, y_pred, from_logits, exclusive, one_class)
