"""Clipped policy gradients, one action at a time."""

import math

import numpy as np


def clipped_policy(y_true, y_pred, epsilon, epsilon_high, kl_weight):
    out = np.zeros(y_pred.shape)
    high = epsilon if epsilon_high is None else epsilon_high
    for index in np.ndindex(*out.shape):
        old, advantage, reference = y_true[index]
        ratio = math.exp(y_pred[index]) / math.exp(old)
        if advantage >= 0:
            gained = min(ratio, 1 + high) * advantage
        else:
            gained = max(ratio, 1 - epsilon) * advantage
        drift = math.exp(reference) / math.exp(y_pred[index])
        out[index] = -gained + kl_weight * (drift - math.log(drift) - 1)
    return out
