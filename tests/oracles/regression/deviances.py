"""Deviances in the textbook's form, one element at a time."""

import math

import numpy as np


def _rates(y_pred, log_input):
    return np.exp(y_pred) if log_input else y_pred


def poisson(y_true, y_pred, log_input):
    values = []
    for truth, row in zip(y_true, _rates(y_pred, log_input), strict=True):
        terms = [m - y * math.log(m) for y, m in zip(truth, row, strict=True)]
        values.append(math.fsum(terms) / len(terms))
    return np.array(values)


def tweedie(y_true, y_pred, power, log_input):
    values = []
    for truth, row in zip(y_true, _rates(y_pred, log_input), strict=True):
        terms = [_deviance(y, m, power) for y, m in zip(truth, row, strict=True)]
        values.append(math.fsum(terms) / len(terms))
    return np.array(values)


def _deviance(y, m, p):
    if p == 1:
        return 2 * (y * math.log(y / m) - y + m)
    if p == 2:
        return 2 * (math.log(m / y) + y / m - 1)
    first = y ** (2 - p) / ((1 - p) * (2 - p))
    return 2 * (first - y * m ** (1 - p) / (1 - p) + m ** (2 - p) / (2 - p))
