"""Margins by length, from angles."""

import math

import numpy as np
from oracles.embedding.margin_softmax import cross_entropy


def turned(cosine, angle):
    return math.cos(min(max(math.acos(cosine) + angle, 0.0), math.pi))


def ada_face(labels, y_pred, margin, h, scale):
    lengths = [min(max(row[-1], 0.001), 100.0) for row in y_pred]
    mean, std = np.mean(lengths), np.std(lengths, ddof=1)
    values = []
    for y, row, length in zip(labels, y_pred, lengths, strict=True):
        q = min(max(h * (length - mean) / (std + 0.001), -1.0), 1.0)
        target = turned(row[y], -margin * q) - margin * q - margin
        values.append(cross_entropy(row[:-1], y, target, scale))
    return np.array(values)


def mag_face(labels, y_pred, low, high, weight, scale):
    def g(a):
        return a / 110**2 + 1 / a

    values = []
    for y, row in zip(labels, y_pred, strict=True):
        a = min(max(row[-1], 10.0), 110.0)
        m = (high - low) / (110 - 10) * (a - 10) + low
        face = cross_entropy(row[:-1], y, turned(row[y], m), scale)
        values.append(face + weight * (g(a) - g(110)))
    return np.array(values)
