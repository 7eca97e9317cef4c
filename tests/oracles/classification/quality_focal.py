"""Quality focal and varifocal loss, one element at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def quality_focal(y_true, y_pred, beta, from_logits):
    out = []
    for targets, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c, y in enumerate(targets):
            p = probability(row, c, "multilabel", from_logits)
            total += abs(y - p) ** beta * -(y * math.log(p) + (1 - y) * math.log(1 - p))
        out.append(total / len(row))
    return np.array(out)


def varifocal(y_true, y_pred, alpha, gamma, from_logits):
    out = []
    for targets, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c, q in enumerate(targets):
            p = probability(row, c, "multilabel", from_logits)
            if q > 0:
                total += -q * (q * math.log(p) + (1 - q) * math.log(1 - p))
            else:
                total += -alpha * p**gamma * math.log(1 - p)
        out.append(total / len(row))
    return np.array(out)
