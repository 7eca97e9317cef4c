"""Searched classification losses, one element at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def softmax_rows(y_true, y_pred, from_logits):
    for label, row in zip(y_true, y_pred, strict=True):
        yield label, [probability(row, c, "multiclass", from_logits) for c in range(len(row))]


def search_softmax(y_true, y_pred, a, from_logits):
    rows = softmax_rows(y_true, y_pred, from_logits)
    return np.array([-math.log(p[t] / (a * p[t] + 1 - a)) for t, p in rows])


def baikal(y_true, y_pred, from_logits):
    out = []
    for t, p in softmax_rows(y_true, y_pred, from_logits):
        total = sum(math.log(v) - (1 / v if c == t else 0) for c, v in enumerate(p))
        out.append(-total / len(p))
    return np.array(out)


def ngl(y_true, y_pred, from_logits):
    out = []
    for t, p in softmax_rows(y_true, y_pred, from_logits):
        total = 0.0
        for c, v in enumerate(p):
            y = 1.0 if c == t else 0.0
            total += math.exp(2.4092 - v - v * y) - math.cos(math.cos(math.sin(v)))
        out.append(total / len(p))
    return np.array(out)


def sparse_lsr(y_true, y_pred, label_smoothing, from_logits):
    out = []
    for t, p in softmax_rows(y_true, y_pred, from_logits):
        n, s = len(p), label_smoothing
        smoothed = [s / n + (1 - s if c == t else 0) for c in range(n)]
        spread = [p[t] if c == t else (1 - p[t]) / (n - 1) for c in range(n)]
        out.append(-sum(y * math.log(v) for y, v in zip(smoothed, spread, strict=True)))
    return np.array(out)


def cseclassification_a(y_true, y_pred, from_logits):
    out = []
    for w, p in softmax_rows(y_true, y_pred, from_logits):
        out.append(-sum((1 + math.sin(a)) * math.log(v) for a, v in zip(w, p, strict=True) if a))
    return np.array(out)


def cseclassification_b(y_true, y_pred, alpha, from_logits):
    def sgdf(x):
        return (1 + 4 / math.pi * math.atan(math.tanh(math.pi * x / 8))) / 2

    def serf(x):
        return (1 + math.erf(math.sqrt(math.pi) / 2 * x / 2)) / 2

    out = []
    for qualities, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c, q in enumerate(qualities):
            p = probability(row, c, "multilabel", from_logits)
            x, y = math.log(p / (1 - p)), 1.0 if q > 0 else 0.0
            sigmoid = 1 / (1 + math.exp(-(1 - y)))
            value = q * (1 + serf(sigmoid)) * math.log(p)
            value += (sgdf(x) - q) * (p - q) * math.log(1 - p)
            total -= (alpha if y else 1 - alpha) * value
        out.append(total / len(row))
    return np.array(out)


def auto_loss_gen(y_true, y_pred, form, smooth, from_logits):
    out = []
    for labels, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c, y in enumerate(labels):
            p = probability(row, c, "multilabel", from_logits)
            if form == "ratio":
                total += max((y + smooth) / (p + smooth), (p + smooth) / (y + smooth))
            else:
                total += (y + p + smooth) / (smooth + p * y)
        out.append(total / len(row))
    return np.array(out)


def inverse_root(y_true, y_pred, from_logits):
    out = []
    for t, p in softmax_rows(y_true, y_pred, from_logits):
        terms = [1 + (1 if c == t else 0) - v / math.sqrt(2) for c, v in enumerate(p)]
        out.append(sum((1 + u * u) ** -0.5 for u in terms))
    return np.array(out)
