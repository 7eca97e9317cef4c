"""Distances of two vectors and partners of an anchor, one at a time."""

import math

import numpy as np


def cosine(x, y):
    lengths = math.sqrt(sum(v * v for v in x)) * math.sqrt(sum(v * v for v in y))
    return float(np.dot(x, y)) / lengths


def distance(x, y, name):
    if name == "cosine":
        return 1 - cosine(x, y)
    if name == "snr":
        return np.var(x - y) / np.var(x)
    if name == "chord":
        x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    if name == "dot":
        return -sum(a * b for a, b in zip(x, y, strict=True))
    if name == "manhattan":
        return sum(abs(a - b) for a, b in zip(x, y, strict=True))
    if name == "poincare":
        inside = (1 - np.sum(x**2)) * (1 - np.sum(y**2))
        return math.acosh(1 + 2 * np.sum((x - y) ** 2) / inside)
    if name == "haversine":  # by the angle between the two directions
        a, b = (
            [math.cos(p) * math.cos(q), math.cos(p) * math.sin(q), math.sin(p)] for p, q in (x, y)
        )
        return math.acos(min(1.0, float(np.dot(a, b))))
    squared = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    return squared if name == "squared_euclidean" else math.sqrt(squared)


def partners(labels, i):
    positives = [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]
    return positives, [j for j in range(len(labels)) if labels[j] != labels[i]]


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers) if numbers else 0.0
