import math

import numpy as np


def charbonnier(y_true, y_pred, epsilon):
    values = np.zeros(y_pred.shape[:-1])
    for at in np.ndindex(*values.shape):
        differences = [t - p for t, p in zip(y_true[at], y_pred[at], strict=True)]
        values[at] = sum(math.hypot(d, epsilon) for d in differences) / len(differences)
    return values
