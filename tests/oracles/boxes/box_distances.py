"""Distances of boxes, one pair at a time."""

import math

import numpy as np
import scipy.linalg
from oracles.boxes.overlap import each_pair, measure
from oracles.boxes.shape_overlap import centres, sides


@each_pair
def mpdiou(a, b, image_size):
    d1 = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    d2 = (a[2] - b[2]) ** 2 + (a[3] - b[3]) ** 2
    scale = image_size[0] ** 2 + image_size[1] ** 2
    return 1 - (measure(a, b)[0] - d1 / scale - d2 / scale)


@each_pair
def boundediou(a, b, beta):
    total = 0.0
    for d, s, t in zip(centres(a, b), sides(a), sides(b), strict=True):
        place = max(0.0, (s - 2 * abs(d)) / (s + 2 * abs(d)))
        for loss in (1 - place, 1 - min(s / t, t / s)):
            total += loss**2 / (2 * beta) if loss < beta else loss - beta / 2
    return total


@each_pair
def nwd(a, b, scale):
    roots = [np.diag(np.array(sides(box)) / 2) for box in (a, b)]  # of the covariances
    moved = scipy.linalg.norm(np.array(centres(a, b)))
    spread = scipy.linalg.norm(roots[0] - roots[1], "fro")
    return 1 - math.exp(-math.sqrt(moved**2 + spread**2) / scale)
