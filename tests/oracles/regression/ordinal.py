"""Ordinal losses, by the probabilities that each model gives to ranks."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def _sigma(x):
    return 1 / (1 + math.exp(-x))


def coral(y_true, y_pred, importance):
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for k, x in enumerate(row):
            p = _sigma(x) if y > k else 1 - _sigma(x)
            total -= (importance[k] if importance else 1) * math.log(p)
        values.append(total)
    return np.array(values)


def corn(y_true, y_pred, importance):
    """The product of conditional probabilities up to the rank."""
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        probability_of_rank = 1.0
        for k in range(min(y + 1, len(row))):
            factor = _sigma(row[k]) if k < y else 1 - _sigma(row[k])
            probability_of_rank *= factor ** (importance[k] if importance else 1)
        values.append(-math.log(probability_of_rank))
    return np.array(values)


def cumulative_link(y_true, y_pred):
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        above = [1.0, *(_sigma(x) for x in row), 0.0]
        values.append(-math.log(above[y] - above[y + 1]))
    return np.array(values)


def ordinal_log(y_true, y_pred, power, from_logits):
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for k in range(len(row)):
            p = probability(row, k, "multiclass", from_logits)
            total -= abs(y - k) ** power * math.log(1 - p)
        values.append(total)
    return np.array(values)
