"""Gradient harmonising, one element at a time."""

import math

import numpy as np


def harmonised(slopes, values, bins):
    """Values weighted by bin, per example; all elements of the batch share the bins."""

    def bin_of(g):
        return min(int(g * bins), bins - 1)

    flat = [g for row in slopes for g in row]
    occupied = [sum(bin_of(g) == b for g in flat) for b in range(bins)]
    used = sum(n > 0 for n in occupied)
    losses = []
    for row, row_values in zip(slopes, values, strict=True):
        weighted = [
            len(flat) / occupied[bin_of(g)] / used * v for g, v in zip(row, row_values, strict=True)
        ]
        losses.append(sum(weighted) / len(weighted))
    return np.array(losses)


def ghmc(y_true, y_pred, bins, from_logits):
    slopes, values = [], []
    for labels, row in zip(y_true, y_pred, strict=True):
        p = [1 / (1 + math.exp(-v)) if from_logits else v for v in row]
        slopes.append([abs(q - y) for q, y in zip(p, labels, strict=True)])
        values.append([-math.log(q if y else 1 - q) for q, y in zip(p, labels, strict=True)])
    return harmonised(slopes, values, bins)


def ghmr(y_true, y_pred, mu, bins):
    slopes, values = [], []
    for target, row in zip(y_true, y_pred, strict=True):
        d = [float(a - b) for a, b in zip(row, target, strict=True)]
        slopes.append([abs(v) / math.sqrt(v * v + mu * mu) for v in d])
        values.append([math.sqrt(v * v + mu * mu) - mu for v in d])
    return harmonised(slopes, values, bins)
