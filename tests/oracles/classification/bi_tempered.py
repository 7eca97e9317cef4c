"""Bi-tempered logistic loss, with the normaliser by bracketing."""

import math

import numpy as np
from scipy.optimize import brentq


def log_t(x, t):
    return math.log(x) if t == 1 else (x ** (1 - t) - 1) / (1 - t)


def exp_t(x, t):
    return math.exp(x) if t == 1 else max(0.0, 1 + (1 - t) * x) ** (1 / (1 - t))


def tempered_softmax(row, t):
    def excess(normaliser):
        return sum(exp_t(z - normaliser, t) for z in row) - 1

    high = max(row) - log_t(1 / len(row), t)
    normaliser = brentq(excess, max(row), high + 1e-9, xtol=1e-15, rtol=1e-15)
    return [exp_t(z - normaliser, t) for z in row]


def bi_tempered(y_true, y_pred, t1, t2, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        z = list(row) if from_logits else [math.log(v) for v in row]
        total = 0.0
        for c, p in enumerate(tempered_softmax(z, t2)):
            y = float(c == label)
            if y:
                total += y * (log_t(y, t1) - log_t(p, t1))
            total -= (y ** (2 - t1) - p ** (2 - t1)) / (2 - t1)
        losses.append(total)
    return np.array(losses)
