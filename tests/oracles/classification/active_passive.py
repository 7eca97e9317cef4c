"""Symmetric cross-entropy and active-passive pairs, one example at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def probabilities(row, from_logits):
    return [probability(row, c, "multiclass", from_logits) for c in range(len(row))]


def reverse_cross_entropy(label, p, log_zero):
    return -sum(p[c] * (0.0 if c == label else log_zero) for c in range(len(p)))


def symmetric_cross_entropy(y_true, y_pred, alpha, beta, log_zero, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        p = probabilities(row, from_logits)
        reverse = reverse_cross_entropy(label, p, log_zero)
        losses.append(-alpha * math.log(p[label]) + beta * reverse)
    return np.array(losses)


def active_passive(y_true, y_pred, alpha, beta, active, passive, gamma, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        p = probabilities(row, from_logits)
        power = gamma if active == "nfl" else 0.0
        focal = [-((1 - q) ** power) * math.log(q) for q in p]
        if passive == "mae":
            bounded = sum(abs((c == label) - q) for c, q in enumerate(p))
        else:
            bounded = reverse_cross_entropy(label, p, -4.0)
        losses.append(alpha * focal[label] / sum(focal) + beta * bounded)
    return np.array(losses)
