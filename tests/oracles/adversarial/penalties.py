import math

import numpy as np


def lengths(slopes):
    return [math.sqrt(sum(v * v for v in slope.ravel())) for slope in slopes]


def gradient_penalty(y_true, y_pred, target, one_sided):
    gaps = [n - target for n in lengths(y_pred)]
    return np.array([0.0 if one_sided and gap < 0 else gap**2 for gap in gaps])


def zero_gradient_penalty(y_true, y_pred, gamma):
    return np.array([gamma / 2 * n**2 for n in lengths(y_pred)])


def path_length(y_true, y_pred):
    return np.array([(n - a) ** 2 for n, (a,) in zip(lengths(y_pred), y_true, strict=True)])
