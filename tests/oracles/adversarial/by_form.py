"""Adversarial losses by name, one score at a time."""

import numpy as np


def adversarial(y_true, y_pred, form, side):
    values = np.zeros(y_pred.shape[:-1])
    for index in np.ndindex(y_pred.shape):
        y, x = y_true[index], y_pred[index]
        d = 1.0 / (1.0 + np.exp(-x))
        if form == "least_squares":
            value = 0.5 * (x - y) ** 2
        elif form == "wasserstein" or (form, side) == ("hinge", "generator"):
            value = -x if y == 1 else x
        elif form == "hinge":
            value = max(0.0, 1.0 - x) if y == 1 else max(0.0, 1.0 + x)
        elif (form, side) == ("minimax", "generator"):
            value = np.log(1.0 - d) if y == 1 else np.log(d)
        else:
            value = -np.log(d) if y == 1 else -np.log(1.0 - d)
        values[index[:-1]] += value / y_pred.shape[-1]
    return values
