"""Divergences of distributions, one class at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def softmax(row, from_logits):
    return [probability(row, c, "multiclass", from_logits) for c in range(len(row))]


def kl(a, b):
    return sum(x * math.log(x / z) for x, z in zip(a, b, strict=True) if x > 0)


def kldivergence(y_true, y_pred, direction, log_targets, from_logits):
    assert not log_targets
    out = []
    for y, row in zip(y_true, y_pred, strict=True):
        p = softmax(row, from_logits)
        m = [(a + b) / 2 for a, b in zip(y, p, strict=True)]
        either = {"forward": lambda y=y, p=p: kl(y, p), "reverse": lambda y=y, p=p: kl(p, y)}
        both = lambda y=y, p=p, m=m: (kl(y, m) + kl(p, m)) / 2  # noqa: E731
        out.append(either.get(direction, both)())
    return np.array(out)


def aug_mix(y_true, y_pred, weight, label_smoothing, from_logits):
    out = []
    for label, rows in zip(y_true, y_pred, strict=True):
        views = [softmax(row, from_logits) for row in rows]
        n = len(views[0])
        mean = [sum(v[c] for v in views) / len(views) for c in range(n)]
        value = weight * sum(kl(v, mean) for v in views) / len(views)
        for c in range(n):
            target = (1 - label_smoothing) * (c == label) + label_smoothing / n
            value -= target * math.log(views[0][c])
        out.append(value)
    return np.array(out)


def confidence_penalty(y_true, y_pred, beta, threshold, from_logits):
    out = []
    for label, row in zip(y_true, y_pred, strict=True):
        p = softmax(row, from_logits)
        entropy = -sum(v * math.log(v) for v in p)
        charge = -entropy if threshold is None else max(0.0, threshold - entropy)
        out.append(-math.log(p[label]) + beta * charge)
    return np.array(out)
