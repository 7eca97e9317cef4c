"""One sigmoid a class, as the papers write it."""

import math

import numpy as np
from scipy.optimize import brentq


def log1p_exp(z):
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def sigmoid(z):
    return math.exp(-log1p_exp(-z))


def sphere_face2(labels, cosines, margin, scale, weight, t, bias):
    def g(c):
        return 2 * ((c + 1) / 2) ** t - 1

    if bias is None:  # where the pull of the own class equals the push of the others, at angle 0
        others = cosines.shape[1] - 1

        def unbalanced(b):
            pull = weight * sigmoid(-scale * (g(0) - margin) - b)
            return pull - (1 - weight) * others * sigmoid(scale * (g(0) + margin) + b)

        bias = brentq(unbalanced, -200, 200, xtol=1e-13)
    values = []
    for y, row in zip(labels, cosines, strict=True):
        own = log1p_exp(-scale * (g(row[y]) - margin) - bias)
        other = sum(log1p_exp(scale * (g(c) + margin) + bias) for j, c in enumerate(row) if j != y)
        values.append(weight / scale * own + (1 - weight) / scale * other)
    return np.array(values)


def uni_face(labels, cosines, margin, scale, bias):
    bias = math.log(cosines.shape[1]) if bias is None else bias
    values = []
    for y, row in zip(labels, cosines, strict=True):
        own = -math.log(sigmoid(scale * (row[y] - margin) - bias))
        values.append(
            own - sum(math.log(sigmoid(bias - scale * c)) for j, c in enumerate(row) if j != y)
        )
    return np.array(values)


def p2_sgrad(labels, cosines):
    return np.array(
        [
            sum((c - (j == y)) ** 2 for j, c in enumerate(row)) / 2
            for y, row in zip(labels, cosines, strict=True)
        ]
    )
