"""Likelihoods from SciPy's distributions, one example at a time."""

import math

import numpy as np
from scipy import stats


def gaussian_nll(y_true, y_pred):
    pairs = zip(y_true, y_pred, strict=True)
    return np.array([-stats.norm(m, math.exp(s / 2)).logpdf(y) for y, (m, s) in pairs])


def beta_nll(y_true, y_pred, beta):
    values = []
    for y, (m, s) in zip(y_true, y_pred, strict=True):
        variance = math.exp(s)
        nll = (math.log(variance) + (y - m) ** 2 / variance) / 2
        values.append(variance**beta * nll)
    return np.array(values)


def laplace_nll(y_true, y_pred):
    pairs = zip(y_true, y_pred, strict=True)
    return np.array([-stats.laplace(m, math.exp(s)).logpdf(y) for y, (m, s) in pairs])


def asymmetric_laplace_nll(y_true, y_pred, quantile):
    kappa = math.sqrt(quantile / (1 - quantile))
    values = []
    for y, (m, s) in zip(y_true, y_pred, strict=True):
        scale = math.exp(s) / math.sqrt(quantile * (1 - quantile))
        values.append(-stats.laplace_asymmetric(kappa, m, scale).logpdf(y))
    return np.array(values)


def student_nll(y_true, y_pred, df):
    pairs = zip(y_true, y_pred, strict=True)
    return np.array([-stats.t(df, m, math.exp(s)).logpdf(y) for y, (m, s) in pairs])


def mixture_nll(y_true, y_pred):
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        k = len(row) // 3
        total = sum(math.exp(w) for w in row[:k])
        density = 0.0
        for w, m, s in zip(row[:k], row[k : 2 * k], row[2 * k :], strict=True):
            density += math.exp(w) / total * stats.norm(m, math.exp(s)).pdf(y)
        values.append(-math.log(density))
    return np.array(values)
