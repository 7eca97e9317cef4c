"""Thresholded cross-entropy, one element at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def thresholded_cross_entropy(y_true, y_pred, threshold, sum_classes, from_logits):
    out = []
    for labels, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c, y in enumerate(labels):
            p = probability(row, c, "multilabel", from_logits)
            total -= math.log(p if y > threshold else 1 - p)
        out.append(total if sum_classes else total / len(row))
    return np.array(out)
