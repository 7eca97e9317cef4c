"""Correlation in one window after the other."""

import itertools

import numpy as np


def correlation(y, p, squared, epsilon):
    n = y.size
    mean_y, mean_p = sum(y.ravel()) / n, sum(p.ravel()) / n
    cov = sum((a - mean_y) * (b - mean_p) for a, b in zip(y.ravel(), p.ravel(), strict=True)) / n
    var_y = sum((a - mean_y) ** 2 for a in y.ravel()) / n
    var_p = sum((b - mean_p) ** 2 for b in p.ravel()) / n
    if squared:
        return (cov**2 + epsilon**2) / (var_y * var_p + epsilon**2)
    return (cov + epsilon) / ((var_y + epsilon) * (var_p + epsilon)) ** 0.5


def normalised_cross_correlation(y_true, y_pred, window, squared, epsilon):
    losses = []
    for y, p in zip(y_true, y_pred, strict=True):
        sides = [n if window is None else min(window, n) for n in y.shape[:-1]]
        corners = [range(n - side + 1) for n, side in zip(y.shape[:-1], sides, strict=True)]
        values = []
        for c in range(y.shape[-1]):
            for corner in itertools.product(*corners):
                box = tuple(slice(i, i + side) for i, side in zip(corner, sides, strict=True))
                values.append(1 - correlation(y[..., c][box], p[..., c][box], squared, epsilon))
        losses.append(sum(values) / len(values))
    return np.array(losses)
