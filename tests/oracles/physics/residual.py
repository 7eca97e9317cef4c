"""Residual losses, one point at a time."""

import math

import numpy as np
from oracles.regression.robust import mean_over_last


@mean_over_last
def residual(d, power):
    return d**power


def causal_residual(y_true, y_pred, epsilon):
    values = []
    for truth, trajectory in zip(y_true, y_pred, strict=True):
        total, solved = 0.0, 0.0
        for right, left in zip(truth, trajectory, strict=True):
            size = sum((a - b) ** 2 for a, b in zip(left, right, strict=True)) / len(left)
            total += math.exp(-epsilon * solved) * size
            solved += size
        values.append(total / len(trajectory))
    return np.array(values)


def sobolev(y_true, y_pred, weight):
    values = []
    for truth, row in zip(y_true, y_pred, strict=True):
        factors = [1.0] + [weight] * (len(row) - 1)
        terms = zip(factors, truth, row, strict=True)
        values.append(sum(f * (a - b) ** 2 for f, a, b in terms))
    return np.array(values)
