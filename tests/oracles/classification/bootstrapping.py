"""Bootstrapped targets and negative learning, one example at a time."""

import math

import numpy as np
from oracles.classification.active_passive import probabilities


def bootstrapping(y_true, y_pred, beta, mode, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        p = probabilities(row, from_logits)
        total = 0.0
        for c in range(len(p)):
            belief = p[c] if mode == "soft" else float(c == int(np.argmax(p)))
            total -= (beta * (c == label) + (1 - beta) * belief) * math.log(p[c])
        losses.append(total)
    return np.array(losses)


def negative_learning(y_true, y_pred, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        p = probabilities(row, from_logits)
        others = [-math.log(1 - p[k]) for k in range(len(p)) if k != label]
        losses.append(sum(others) / len(others))
    return np.array(losses)
