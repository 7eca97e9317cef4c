"""Rotated boxes as Gaussians, with matrices, one pair at a time."""

import math

import numpy as np
import scipy.linalg
from oracles.boxes.overlap import each_pair


def gaussian(box, divisor=4):
    x, y, w, h, angle = box
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.array([x, y]), turn @ np.diag([w**2, h**2]) @ turn.T / divisor


def squashed(distance, tau, mode):
    f = math.log(1 + distance) if mode == "log" else math.sqrt(distance)
    return 1 - tau / (tau + f)


@each_pair
def rotated_gwd(a, b, tau, mode):
    (m, s), (m2, s2) = gaussian(a), gaussian(b)
    root = scipy.linalg.sqrtm(s).real
    cross = scipy.linalg.sqrtm(root @ s2 @ root).real
    return squashed((m - m2) @ (m - m2) + np.trace(s + s2 - 2 * cross), tau, mode)


def divergence(a, b):
    """D(a || b)"""
    (m, s), (m2, s2) = gaussian(a), gaussian(b)
    inverse, d = np.linalg.inv(s2), m - m2
    volume = math.log(np.linalg.det(s2) / np.linalg.det(s))
    return 0.5 * (d @ inverse @ d + np.trace(inverse @ s) + volume - 2)


@each_pair
def rotated_kld(a, b, tau, mode, direction):
    forward, backward = divergence(b, a), divergence(a, b)
    both = {"prediction": forward, "target": backward, "both": (forward + backward) / 2}
    return squashed(both[direction], tau, mode)


@each_pair
def kfiou(a, b, mode):
    s, s2 = gaussian(a)[1], gaussian(b)[1]
    gain = s @ np.linalg.inv(s + s2)
    areas = [4 * math.sqrt(np.linalg.det(m)) for m in (s, s2, s - gain @ s)]
    k = 3 * areas[2] / (areas[0] + areas[1] - areas[2])
    return {"linear": 1 - k, "exp": math.exp(1 - k) - 1, "log": -math.log(k)}[mode]


@each_pair
def probiou(a, b, mode):
    (m, s), (m2, s2) = gaussian(a, 12), gaussian(b, 12)
    mean, d = (s + s2) / 2, m - m2
    volume = np.linalg.det(mean) / math.sqrt(np.linalg.det(s) * np.linalg.det(s2))
    distance = d @ np.linalg.inv(mean) @ d / 8 + math.log(volume) / 2
    return distance if mode == "bhattacharyya" else math.sqrt(1 - math.exp(-distance))
