"""Counts from SciPy's negative binomial, one example at a time."""

import math

import numpy as np
from scipy import stats


def _counts(log_mean, log_size):
    mean, size = math.exp(log_mean), math.exp(log_size)
    return stats.nbinom(size, size / (size + mean))


def negative_binomial(y_true, y_pred):
    return np.array([-_counts(*row).logpmf(y) for y, row in zip(y_true, y_pred, strict=True)])


def zero_inflated_negative_binomial(y_true, y_pred):
    values = []
    for y, (*counts, logit) in zip(y_true, y_pred, strict=True):
        extra = 1 / (1 + math.exp(-logit))
        probability = (1 - extra) * _counts(*counts).pmf(y) + (extra if y == 0 else 0)
        values.append(-math.log(probability))
    return np.array(values)
