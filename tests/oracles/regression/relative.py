"""Relative errors, one element at a time."""

import math

import numpy as np


def _mean(function):
    def oracle(y_true, y_pred, **config):
        values = []
        for truth, row in zip(y_true, y_pred, strict=True):
            pairs = zip(truth, row, strict=True)
            values.append(math.fsum(function(a, b, **config) for a, b in pairs) / len(row))
        return np.array(values)

    return oracle


@_mean
def mape(a, b, epsilon):
    divisor = abs(a) if abs(a) > epsilon else epsilon
    return 100 * abs(a - b) / divisor


@_mean
def smape(a, b, epsilon):
    middle = (abs(a) + abs(b)) / 2
    return 100 * abs(a - b) / max(middle, epsilon / 2)


@_mean
def msle(a, b):
    logs = [math.log(1 + v) if v > 0 else v for v in (a, b)]
    return (logs[0] - logs[1]) ** 2


def relative_l2(y_true, y_pred, epsilon):
    values = []
    for truth, row in zip(y_true, y_pred, strict=True):
        error = math.hypot(*(row - truth))
        values.append(error / max(math.hypot(*truth), epsilon))
    return np.array(values)
