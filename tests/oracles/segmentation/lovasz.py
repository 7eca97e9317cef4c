"""Lovász extension from its definition: the loss of every nested set of wrong pixels."""

import math

import numpy as np
from oracles.segmentation.masks import channels, images


def one_minus_iou(y, wrong):
    """1 - IoU of the mask y and the mask in which the pixels of the set `wrong` are flipped."""
    predicted = [1 - v if i in wrong else v for i, v in enumerate(y)]
    inter = sum(1 for a, b in zip(y, predicted, strict=True) if a == 1 and b == 1)
    union = sum(1 for a, b in zip(y, predicted, strict=True) if a == 1 or b == 1)
    return 0.0 if union == 0 else 1 - inter / union


def extended(y, errors):
    order = sorted(range(len(y)), key=lambda i: -errors[i])
    total, before, wrong = 0.0, 0.0, set()
    for i in order:
        wrong.add(i)
        after = one_minus_iou(y, wrong)
        total += errors[i] * (after - before)
        before = after
    return total


def lovasz(y_true, y_pred, classes, class_weight, ignore_class, exclusive, from_logits):
    ids = y_true.ndim == y_pred.ndim - 1
    losses = []
    for truth, image in images(y_true, y_pred, from_logits, exclusive):
        values = []
        for y, p in channels(truth, image):
            if sum(y) == 0 and (classes == "present" or (classes is None and ids)):
                continue
            values.append(extended(y, [abs(a - b) for a, b in zip(y, p, strict=True)]))
        losses.append(sum(values) / len(values) if values else 0.0)
    return np.array(losses)


def lovasz_hinge(y_true, y_pred, class_weight, ignore_class):
    losses = []
    for truth, image in images(y_true, y_pred):
        values = []
        for y, x in channels(truth, image):
            margins = [max(0.0, 1 - (b if a == 1 else -b)) for a, b in zip(y, x, strict=True)]
            assert all(math.isfinite(m) for m in margins)
            values.append(extended(y, margins))
        losses.append(sum(values) / len(values))
    return np.array(losses)
