"""Positive against negative classes, pair by pair."""

import math

import numpy as np


def logits(row, from_logits):
    return list(row) if from_logits else [math.log(p / (1 - p)) for p in row]


def zlpr(y_true, y_pred, from_logits):
    out = []
    for labels, row in zip(y_true, y_pred, strict=True):
        high, low = 1.0, 1.0
        for y, x in zip(labels, logits(row, from_logits), strict=True):
            if y:
                low += math.exp(-x)
            else:
                high += math.exp(x)
        out.append(math.log(high) + math.log(low))
    return np.array(out)


def multi_positive(y_true, y_pred, temperature, from_logits):
    out = []
    for labels, row in zip(y_true, y_pred, strict=True):
        x, total = logits(row, from_logits), 1.0
        for p in range(len(x)):
            for n in range(len(x)):
                if labels[p] == 1 and labels[n] == 0:
                    total += math.exp((x[n] - x[p]) / temperature)
        out.append(math.log(total))
    return np.array(out)


def two_way(y_true, y_pred, positive_temperature, negative_temperature, from_logits):
    x = np.array([logits(row, from_logits) for row in y_pred])
    batch, classes = x.shape

    def pair(labels, scores):
        low, high = 0.0, 0.0
        for y, s in zip(labels, scores, strict=True):
            if y:
                low += math.exp(-s / positive_temperature)
            else:
                high += math.exp(s / negative_temperature)
        return math.log(1 + low**positive_temperature * high**negative_temperature)

    rows = [i for i in range(batch) if any(y_true[i])]
    columns = [c for c in range(classes) if any(y_true[:, c])]
    values = np.zeros(batch)
    for i in rows:
        values[i] += pair(y_true[i], x[i]) / len(rows)
    for c in columns:
        members = [i for i in range(batch) if y_true[i, c]]
        for i in members:
            values[i] += pair(y_true[:, c], x[:, c]) / len(columns) / len(members)
    return values * batch


def multi_label_margin(y_true, y_pred, margin, reduce_pairs):
    out = []
    for labels, row in zip(y_true, y_pred, strict=True):
        total, pairs = 0.0, 0
        for p in range(len(row)):
            for n in range(len(row)):
                if labels[p] == 1 and labels[n] == 0:
                    total += max(0.0, margin - row[p] + row[n])
                    pairs += 1
        out.append(total / (len(row) if reduce_pairs == "classes" else max(pairs, 1)))
    return np.array(out)
