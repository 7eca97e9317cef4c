import math

import numpy as np


def log1p_exp(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def non_saturating_gan(y_true, y_pred, real_label, saturating):
    values = []
    for (t,), (x,) in zip(y_true, y_pred, strict=True):
        real, fake = -log1p_exp(-x), -log1p_exp(x)  # log D, log (1 - D)
        if saturating:
            values.append(fake if t == 1 else real)
        else:
            values.append(-(real_label * real + (1 - real_label) * fake) if t == 1 else -fake)
    return np.array(values)


def least_squares_gan(y_true, y_pred, real, fake):
    pairs = zip(y_true[:, 0], y_pred[:, 0], strict=True)
    return np.array([(x - (real if t == 1 else fake)) ** 2 / 2 for t, x in pairs])


def wasserstein_gan(y_true, y_pred):
    pairs = zip(y_true[:, 0], y_pred[:, 0], strict=True)
    return np.array([-x if t == 1 else x for t, x in pairs])


def hinge_gan(y_true, y_pred, side, margin):
    if side == "generator":
        return wasserstein_gan(y_true, y_pred)
    pairs = zip(y_true[:, 0], y_pred[:, 0], strict=True)
    return np.array([max(0.0, margin - x if t == 1 else margin + x) for t, x in pairs])


def relativistic_gan(y_true, y_pred, cost, average):
    f = {
        "logistic": lambda d: log1p_exp(-d),
        "hinge": lambda d: max(0.0, 1 - d),
        "squared": lambda d: (d - 1) ** 2,
    }[cost]
    low, high = list(y_true[:, 0]), list(y_pred[:, 0])
    if not average:
        return np.array([f(x - t) for t, x in zip(low, high, strict=True)])
    mean_low, mean_high = sum(low) / len(low), sum(high) / len(high)
    pairs = zip(low, high, strict=True)
    return np.array([f(x - mean_low) + f(mean_high - t) for t, x in pairs])
