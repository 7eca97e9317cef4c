"""Regularisers of embeddings, one pair at a time."""

import math

import numpy as np


def _directions(y_pred):
    return [row / math.hypot(*row) for row in y_pred]


def uniformity(y_true, y_pred, t):
    x = _directions(y_pred)
    terms = [math.exp(-t * math.dist(x[i], x[j]) ** 2) for i in range(len(x)) for j in range(i)]
    return np.full(len(x), math.log(sum(terms) / len(terms)))


def covariance(y_true, y_pred):
    c = np.cov(y_pred.T)
    size = len(c)
    total = sum(c[a, b] ** 2 for a in range(size) for b in range(size) if a != b)
    return np.full(len(y_pred), total / size)


def spherical_embedding(y_true, y_pred):
    lengths = [math.hypot(*row) for row in y_pred]
    mean = math.fsum(lengths) / len(lengths)
    return np.array([(length - mean) ** 2 for length in lengths])
