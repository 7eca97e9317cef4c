"""Scaled errors, one example at a time, with the statistics module."""

import math
import statistics

import numpy as np


def rmse(y_true, y_pred):
    return np.array(
        [
            math.dist(truth, row) / math.sqrt(len(row))
            for truth, row in zip(y_true, y_pred, strict=True)
        ]
    )


def nrmse(y_true, y_pred, spread):
    divisor = {
        "range": lambda v: max(v) - min(v),
        "deviation": statistics.pstdev,
        "mean": lambda v: statistics.fmean(abs(x) for x in v),
    }[spread]
    return rmse(y_true, y_pred) / [divisor(truth.tolist()) for truth in y_true]


def mase(y_true, y_pred, season, scale):
    values = []
    for truth, row in zip(y_true, y_pred, strict=True):
        error = statistics.fmean(abs(a - b) for a, b in zip(truth, row, strict=True))
        naive = [abs(truth[t] - truth[t - season]) for t in range(season, len(truth))]
        values.append(error / (scale if scale else statistics.fmean(naive)))
    return np.array(values)


def rsquared(y_true, y_pred):
    values = []
    for truth, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for d in range(len(row)):
            total += (row[d] - truth[d]) ** 2 / statistics.pvariance(y_true[:, d].tolist())
        values.append(total / len(row))
    return np.array(values)


def psnr(y_true, y_pred, max_value, epsilon):
    values = []
    for error in rmse(y_true, y_pred):
        values.append(-10 * math.log10(max_value**2 / (error**2 + epsilon)))
    return np.array(values)


def cosine_similarity(y_true, y_pred):
    values = []
    for a, b in zip(y_true, y_pred, strict=True):
        values.append(1 - np.dot(a, b) / (math.hypot(*a) * math.hypot(*b)))
    return np.array(values)
