"""Quantile and expectile losses, one pair at a time."""

import numpy as np


def _level(levels, q):
    return levels[q] if isinstance(levels, list) else levels


def pinball(y_true, y_pred, quantiles, crossing):
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for q, x in enumerate(row):
            tau = _level(quantiles, q)
            total += tau * (y - x) if y >= x else (1 - tau) * (x - y)
        total /= len(row)
        for q in range(len(row) - 1):
            if row[q] > row[q + 1]:
                total += crossing * (row[q] - row[q + 1]) / (len(row) - 1)
        values.append(total)
    return np.array(values)


def expectile(y_true, y_pred, expectiles):
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for q, x in enumerate(row):
            tau = _level(expectiles, q)
            total += abs(tau - (1 if x > y else 0)) * (y - x) ** 2
        values.append(total / len(row))
    return np.array(values)


def quantile_huber(y_true, y_pred, kappa):
    values = []
    for samples, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for j, x in enumerate(row):
            tau = (2 * j + 1) / (2 * len(row))
            for y in samples:
                u = y - x
                if kappa == 0:
                    huber = abs(u)
                elif abs(u) <= kappa:
                    huber = u * u / 2 / kappa
                else:
                    huber = abs(u) - kappa / 2
                total += abs(tau - (u < 0)) * huber / len(samples)
        values.append(total)
    return np.array(values)
