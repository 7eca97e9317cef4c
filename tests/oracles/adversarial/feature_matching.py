import numpy as np


def feature_matching(y_true, y_pred):
    n, d = y_pred.shape
    total = 0.0
    for k in range(d):
        total += (sum(y_true[i, k] for i in range(n)) / n - sum(y_pred[:, k]) / n) ** 2
    return np.full(n, total / d)
