"""Robust losses, by integrating the influence function that each paper states."""

import math

import numpy as np
from oracles.regression.robust import mean_over_last

NODES, WEIGHTS = np.polynomial.legendre.leggauss(80)


def _integral(slope, end):
    return sum(w * slope((x + 1) / 2 * end) for x, w in zip(NODES, WEIGHTS, strict=True)) * end / 2


@mean_over_last
def barron(d, alpha, scale):
    """The derivatives of the paper's equation 9."""
    c = scale

    def slope(x):
        if alpha == 2:
            return x / c**2
        if alpha == 0:
            return 2 * x / (x**2 + 2 * c**2)
        if alpha == -math.inf:
            return x / c**2 * math.exp(-((x / c) ** 2) / 2)
        return x / c**2 * ((x / c) ** 2 / abs(alpha - 2) + 1) ** (alpha / 2 - 1)

    return _integral(slope, d)


@mean_over_last
def tukey(d, c):
    return _integral(lambda x: x * (1 - (x / c) ** 2) ** 2, min(d, c))


@mean_over_last
def fair(d, c):
    return _integral(lambda x: x / (1 + x / c), d)
