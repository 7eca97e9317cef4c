"""Mutual information from a histogram filled one pixel at a time."""

import math

import numpy as np
from scipy.interpolate import BSpline

BUMP = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)


def spline(distance):
    return float(BUMP(distance)) if abs(distance) < 2 else 0.0


def entropy(shares):
    return -sum(q * math.log(q) for q in shares if q > 0)


def mutual_information(y_true, y_pred, bins, normalised):
    losses = []
    for y, p in zip(y_true, y_pred, strict=True):
        values = []
        for c in range(y.shape[-1]):
            joint = np.zeros((bins, bins))
            pixels = list(zip(y[..., c].ravel(), p[..., c].ravel(), strict=True))
            for a, b in pixels:
                a, b = min(max(a, 0.0), 1.0), min(max(b, 0.0), 1.0)
                for column in range(bins):
                    place = 1 + b * (bins - 3)
                    joint[round(a * (bins - 1)), column] += spline(place - column) / len(pixels)
            apart = entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0))
            together = entropy(joint.ravel())
            values.append(2 - apart / together if normalised else together - apart)
        losses.append(sum(values) / len(values))
    return np.array(losses)
