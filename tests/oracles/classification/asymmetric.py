"""Asymmetric losses, one element at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def asymmetric(y_true, y_pred, gamma_negative, gamma_positive, clip, from_logits):
    out = []
    for labels, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c, y in enumerate(labels):
            p = probability(row, c, "multilabel", from_logits)
            if y == 1:
                total += (1 - p) ** gamma_positive * -math.log(p)
            else:
                shifted = max(p - clip, 0.0)
                total += shifted**gamma_negative * -math.log(1 - shifted)
        out.append(total / len(row))
    return np.array(out)


def asymmetric_single_label(
    y_true, y_pred, gamma_negative, gamma_positive, label_smoothing, from_logits
):
    out = []
    for label, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c in range(len(row)):
            p = probability(row, c, "multiclass", from_logits)
            share = label_smoothing / len(row)
            if c == label:
                total -= (1 - p) ** gamma_positive * (1 - label_smoothing + share) * math.log(p)
            else:
                total -= p**gamma_negative * share * math.log(p)
        out.append(total)
    return np.array(out)
