"""Preferences, one pair of answers at a time."""

import math

import numpy as np


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def dpo(y_true, y_pred, beta, surrogate, label_smoothing, robust):
    def cost(h):
        r = beta * h
        if surrogate == "square":
            return (h - 1 / (2 * beta)) ** 2
        if surrogate == "hinge":
            return max(0.0, 1 - r)
        if surrogate == "sigmoid":
            return -math.log(sigmoid(r))
        q = sigmoid(r / 0.05)
        return (1 - q) * -math.log(sigmoid(r)) + q * math.exp(-r)

    losses, e = [], label_smoothing
    for (ref_w, ref_l), (pi_w, pi_l) in zip(y_true, y_pred, strict=True):
        h = (pi_w - pi_l) - (ref_w - ref_l)
        if robust:
            losses.append(((1 - e) * cost(h) - e * cost(-h)) / (1 - 2 * e))
        else:
            losses.append((1 - e) * cost(h) + e * cost(-h))
    return np.array(losses)


def kto(y_true, y_pred, beta, weight_liked, weight_disliked):
    losses = []
    for (liked, reference, z), (policy,) in zip(y_true, y_pred, strict=True):
        r = policy - reference
        if liked == 1:
            losses.append(weight_liked * (1 - sigmoid(beta * (r - z))))
        else:
            losses.append(weight_disliked * (1 - sigmoid(beta * (z - r))))
    return np.array(losses)


def bradley_terry(y_true, y_pred, centring):
    losses = []
    for (margin,), (chosen, rejected) in zip(y_true, y_pred, strict=True):
        odds = math.exp(chosen - margin) / (math.exp(chosen - margin) + math.exp(rejected))
        losses.append(-math.log(odds) + centring * (chosen + rejected) ** 2)
    return np.array(losses)
