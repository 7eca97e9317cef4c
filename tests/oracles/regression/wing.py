"""Wing losses, one element at a time."""

import math

import numpy as np
from oracles.regression.robust import mean_over_last


@mean_over_last
def wing(d, width, epsilon):
    if d < width:
        return width * math.log(1 + d / epsilon)
    constant = width - width * math.log(1 + width / epsilon)
    return d - constant


def adaptive_wing(y_true, y_pred, alpha, omega, epsilon, theta):
    values = []
    for truth, row in zip(y_true, y_pred, strict=True):
        total = 0.0
        for y, x in zip(truth, row, strict=True):
            d, e = abs(y - x), alpha - y
            if d < theta:
                total += omega * math.log(1 + (d / epsilon) ** e)
                continue
            r = theta / epsilon
            a = omega * (1 / (1 + r**e)) * e * r ** (e - 1) * (1 / epsilon)
            c = theta * a - omega * math.log(1 + r**e)
            total += a * d - c
        values.append(total / len(row))
    return np.array(values)
