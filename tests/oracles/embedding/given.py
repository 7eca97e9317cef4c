"""Given pairs and triplets, one at a time."""

import math

import numpy as np
from oracles.embedding.distances import distance as distance_of
from oracles.embedding.distances import mean


def given_pairs(y_true, distances, margin):
    values = []
    for labels, row in zip(y_true, distances, strict=True):
        both = zip(labels, row, strict=True)
        values.append(mean(d**2 if y == 1 else max(margin - d, 0) ** 2 for y, d in both) / 2)
    return np.array(values)


def given_triplets(y_true, x, margin, distance, swap):
    values = []
    for anchor, positive, negative in x:
        far = distance_of(anchor, negative, distance)
        if swap:
            far = min(far, distance_of(positive, negative, distance))
        excess = distance_of(anchor, positive, distance) - far
        values.append(
            math.log(1 + math.exp(excess)) if margin == "soft" else max(excess + margin, 0.0)
        )
    return np.array(values)
