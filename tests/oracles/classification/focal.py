"""Focal loss, one element at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def focal(y_true, y_pred, gamma, alpha, task, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c in range(len(row)):
            p = probability(row, c, task, from_logits)
            if task == "multiclass":
                a = 1.0 if alpha is None else alpha
                total -= a * (label == c) * (1 - p) ** gamma * math.log(p)
                continue
            a, b = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
            if label[c] == 1:
                total -= a * (1 - p) ** gamma * math.log(p) / len(row)
            else:
                total -= b * p**gamma * math.log(1 - p) / len(row)
        losses.append(total)
    return np.array(losses)
