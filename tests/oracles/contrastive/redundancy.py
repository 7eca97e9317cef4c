import math

import numpy as np


def barlow_twins(y_true, y_pred, off_diagonal):
    n, d = y_pred.shape
    x, y = ((v - v.mean(axis=0)) / v.std(axis=0) for v in (y_true, y_pred))
    total = 0.0
    for a in range(d):
        for b in range(d):
            c = sum(x[i, a] * y[i, b] for i in range(n)) / n
            total += (1 - c) ** 2 if a == b else off_diagonal * c**2
    return np.full(n, total)


def vicreg(y_true, y_pred, invariance, variance, covariance):
    n, d = y_pred.shape
    batch = 0.0
    for view in (y_true, y_pred):
        c = np.cov(view, rowvar=False)
        for a in range(d):
            batch += variance * max(0.0, 1 - math.sqrt(c[a, a] + 1e-4)) / d / 2
            batch += covariance * sum(c[a, b] ** 2 for b in range(d) if b != a) / d
    gaps = [sum((x - y) ** 2) / d for x, y in zip(y_true, y_pred, strict=True)]
    return invariance * np.array(gaps) + batch


def direction(v):
    return v / math.sqrt(sum(v * v))


def alignment_uniformity(y_true, y_pred, alpha, t, uniformity):
    x, y = [direction(v) for v in y_true], [direction(v) for v in y_pred]
    n = len(x)
    crowding = 0.0
    for view in (x, y):
        terms = [
            math.exp(-t * sum((view[j] - view[k]) ** 2))
            for j in range(n)
            for k in range(n)
            if j != k
        ]
        crowding += math.log(sum(terms) / len(terms)) / 2
    gaps = [sum((a - b) ** 2) ** (alpha / 2) for a, b in zip(x, y, strict=True)]
    return np.array(gaps) + uniformity * crowding


def ko_leo(y_true, y_pred):
    v = [direction(row) for row in y_pred]
    values = []
    for i, a in enumerate(v):
        nearest = min(math.sqrt(sum((a - b) ** 2)) for j, b in enumerate(v) if j != i)
        values.append(-math.log(nearest + 1e-8))
    return np.array(values)


def ti_co(y_true, y_pred, contrast):
    x, z = [direction(v) for v in y_true], [direction(v) for v in y_pred]
    c = sum(np.outer(v, v) for v in z) / len(z)
    return np.array([contrast * b @ c @ b - sum(a * b) for a, b in zip(x, z, strict=True)])
