"""Overlap losses of hard masks, one pixel at a time."""

import math

from oracles.segmentation.masks import per_image


def shaped(index, mode):
    if mode == "log":
        return -math.log(index)
    return math.log(math.cosh(1 - index)) if mode == "log_cosh" else 1 - index


def dice(y_true, y_pred, smooth, squared, mode, class_weight, ignore_class, exclusive, from_logits):
    def one_class(y, p):
        both = sum(a * b for a, b in zip(y, p, strict=True))
        if squared:
            sizes = sum(a * a for a in y) + sum(b * b for b in p)
        else:
            sizes = sum(y) + sum(p)
        return shaped((2 * both + smooth) / (sizes + smooth), mode)

    return per_image(y_true, y_pred, from_logits, exclusive, one_class)


def jaccard(y_true, y_pred, smooth, mode, class_weight, ignore_class, exclusive, from_logits):
    def one_class(y, p):
        inter = sum(b for a, b in zip(y, p, strict=True) if a == 1)
        union = sum(1 if a == 1 else b for a, b in zip(y, p, strict=True))
        return shaped((inter + smooth) / (union + smooth), mode)

    return per_image(y_true, y_pred, from_logits, exclusive, one_class)


def tversky_index(y, p, alpha, beta, smooth):
    tp = fp = fn = 0.0
    for a, b in zip(y, p, strict=True):
        tp += a * b
        fp += (1 - a) * b
        fn += a * (1 - b)
    return (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


def tversky(
    y_true, y_pred, alpha, beta, smooth, class_weight, ignore_class, exclusive, from_logits
):
    def one_class(y, p):
        return 1 - tversky_index(y, p, alpha, beta, smooth)

    return per_image(y_true, y_pred, from_logits, exclusive, one_class)


def focal_tversky(
    y_true, y_pred, gamma, alpha, smooth, class_weight, ignore_class, exclusive, from_logits
):
    def one_class(y, p):
        return (1 - tversky_index(y, p, alpha, 1 - alpha, smooth)) ** (1 / gamma)

    return per_image(y_true, y_pred, from_logits, exclusive, one_class)
