"""Statistics of a batch, counted one example at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def probabilities(y_pred, task, from_logits):
    return [[probability(r, c, task, from_logits) for c in range(len(r))] for r in y_pred]


def weighted_kappa(y_true, y_pred, power, log, from_logits):
    p = probabilities(y_pred, "multiclass", from_logits)
    n, classes = len(p), len(p[0])

    def weight(i, j):
        return (abs(i - j) / (classes - 1)) ** power

    parts = [sum(weight(t, j) * p[i][j] for j in range(classes)) for i, t in enumerate(y_true)]
    chance = 0.0
    for i in range(classes):
        for j in range(classes):
            labels = sum(1 for t in y_true if t == i)
            chance += weight(i, j) * labels * sum(row[j] for row in p) / n
    if log:
        return np.full(n, math.log(sum(parts) / chance + 1e-6))
    return np.array([n * part / chance for part in parts])


def mcc(y_true, y_pred, task, from_logits):
    p = probabilities(y_pred, task, from_logits)
    n, classes = len(p), len(p[0])
    if task != "multiclass":
        total = 0.0
        for c in range(classes):
            tp = sum(p[i][c] * y_true[i][c] for i in range(n))
            fp = sum(p[i][c] * (1 - y_true[i][c]) for i in range(n))
            fn = sum((1 - p[i][c]) * y_true[i][c] for i in range(n))
            tn = n - tp - fp - fn
            root = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
            total += 1 - (tp * tn - fp * fn) / root if root else 1.0
        return np.full(n, total / classes)
    y = [[1.0 if t == c else 0.0 for c in range(classes)] for t in y_true]

    def covariance(a, b):
        pairs = sum(a[i][c] * b[i][c] for i in range(n) for c in range(classes))
        sums = [
            sum(a[i][c] for i in range(n)) * sum(b[i][c] for i in range(n)) for c in range(classes)
        ]
        return n * pairs - sum(sums)

    return np.full(n, 1 - covariance(y, p) / math.sqrt(covariance(y, y) * covariance(p, p)))


def mmce(y_true, y_pred, weight, width, from_logits):
    p = probabilities(y_pred, "multiclass", from_logits)
    n, square = len(p), 0.0
    confidence = [max(row) for row in p]
    gap = [float(row.index(max(row)) == t) - max(row) for row, t in zip(p, y_true, strict=True)]
    for i in range(n):
        for j in range(n):
            kernel = math.exp(-abs(confidence[i] - confidence[j]) / width)
            square += gap[i] * gap[j] * kernel / n**2
    return np.array([weight * math.sqrt(square) - math.log(p[i][t]) for i, t in enumerate(y_true)])
