"""Cross-entropy, one element at a time."""

import math

import numpy as np


def probability(row, c, task, from_logits):
    if not from_logits:
        return row[c] / sum(row) if task == "multiclass" else row[c]
    if task == "multiclass":
        return math.exp(row[c]) / sum(math.exp(v) for v in row)
    return 1.0 / (1.0 + math.exp(-row[c]))


def cross_entropy(
    y_true, y_pred, task, from_logits, class_weight, pos_weight, ignore_class, label_smoothing
):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        n, s, total = len(row), label_smoothing, 0.0
        for c in range(n):
            p = probability(row, c, task, from_logits)
            if task == "multiclass":
                y = (1.0 if label == c else 0.0) * (1 - s) + s / n
                total -= (class_weight[c] if class_weight else 1.0) * y * math.log(p)
            else:
                y = label[c] * (1 - s) + s / 2
                total -= ((pos_weight or 1.0) * y * math.log(p) + (1 - y) * math.log(1 - p)) / n
        losses.append(total)
    return np.array(losses)
