"""Soft skeletons, one pixel and its neighbours at a time."""

import itertools

import numpy as np
from oracles.segmentation.boundary import over_classes


def window(x, place, reach):
    """Values of the pixels at the offsets that lie inside the image."""
    for offset in reach:
        other = tuple(a + b for a, b in zip(place, offset, strict=True))
        if other in set(np.ndindex(*x.shape)):
            yield x[other]


def cross(ndim):
    return [o for o in itertools.product((-1, 0, 1), repeat=ndim) if sum(map(abs, o)) <= 1]


def box(ndim):
    return list(itertools.product((-1, 0, 1), repeat=ndim))


def filtered(x, reach, choose):
    out = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        out[place] = choose(window(x, place, reach))
    return out


def erode(x):
    return filtered(x, cross(x.ndim), min)


def dilate(x):
    return filtered(x, box(x.ndim), max)


def soft_skeleton(x, iterations):
    found = np.maximum(x - dilate(erode(x)), 0)
    for _ in range(iterations):
        x = erode(x)
        delta = np.maximum(x - dilate(erode(x)), 0)
        found = found + np.maximum(delta - found * delta, 0)
    return found


def share(line, mask, smooth):
    held = sum(a * b for a, b in zip(line.ravel(), mask.ravel(), strict=True))
    return (held + smooth) / (sum(line.ravel()) + smooth)


def cl_dice(y_true, y_pred, iterations, smooth, class_weight, ignore_class, exclusive, from_logits):
    def one_class(y, p):
        precision = share(soft_skeleton(p, iterations), y, smooth)
        sensitivity = share(soft_skeleton(y, iterations), p, smooth)
        return 1 - 2 / (1 / precision + 1 / sensitivity)

    return over_classes(y_true, y_pred, from_logits, exclusive, one_class)


def skeleton_recall(
    y_true, y_pred, width, iterations, smooth, class_weight, ignore_class, exclusive, from_logits
):
    def one_class(y, p):
        tube = soft_skeleton(y, iterations)
        for _ in range(width):
            tube = dilate(tube)
        return 1 - share(tube * y, p, smooth)

    return over_classes(y_true, y_pred, from_logits, exclusive, one_class)
