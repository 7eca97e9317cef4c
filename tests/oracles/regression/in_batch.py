"""Losses over a batch, one pair at a time."""

import math

import numpy as np


def _normal(column, q):
    mean = sum(column) / len(column)
    norm = sum(abs(x - mean) ** q for x in column) ** (1 / q)
    return [(x - mean) / norm for x in column]


def norm_in_norm(y_true, y_pred, p, q):
    n, outputs = y_pred.shape
    values = np.zeros(n)
    scale = 2**p * n ** max(0, 1 - p / q)
    for d in range(outputs):
        truth, guess = _normal(y_true[:, d], q), _normal(y_pred[:, d], q)
        for i in range(n):
            values[i] += n * abs(guess[i] - truth[i]) ** p / scale / outputs
    return values


def balanced_mse(y_true, y_pred, sigma):
    values = []
    for i, row in enumerate(y_pred):
        likelihood = [math.exp(-(math.dist(row, y) ** 2) / (2 * sigma**2)) for y in y_true]
        values.append(-2 * sigma**2 * math.log(likelihood[i] / sum(likelihood)))
    return np.array(values)


def margin_rank(y_true, y_pred, margin):
    values = []
    for i in range(len(y_pred)):
        total = 0.0
        for j in range(len(y_pred)):
            high, low = (i, j) if y_true[i, 0] > y_true[j, 0] else (j, i)
            if y_true[i, 0] != y_true[j, 0]:
                total += max(0.0, margin - (y_pred[high, 0] - y_pred[low, 0]))
        values.append(total / (len(y_pred) - 1))
    return np.array(values)
