"""Correlation, one column at a time: each example's share of 1 - r."""

import numpy as np


def pearson(y_true, y_pred):
    n, columns = y_pred.shape
    out = np.zeros(n)
    for c in range(columns):
        z = []
        for column in (y_true[:, c], y_pred[:, c]):
            mean = sum(column) / n
            deviation = (sum((v - mean) ** 2 for v in column) / n) ** 0.5
            z.append([(v - mean) / deviation for v in column])
        for i in range(n):
            out[i] += (z[0][i] - z[1][i]) ** 2 / 2 / columns
    return out
