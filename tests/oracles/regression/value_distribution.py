"""Distributions over ordered bins, one bin at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def emd(y_true, y_pred, power, root, from_logits):
    values = []
    for y, row in zip(y_true, y_pred, strict=True):
        shares = y if np.ndim(y) else [float(k == y) for k in range(len(row))]
        p = [
            probability(row, k, "multiclass", True) if from_logits else row[k]
            for k in range(len(row))
        ]
        total = 0.0
        for k in range(len(row)):
            total += abs(sum(p[: k + 1]) - sum(shares[: k + 1])) ** power
        total /= len(row)
        values.append(total ** (1 / power) if root else total)
    return np.array(values)


def c51(y_true, y_pred, v_min, v_max, from_logits):
    """The paper's algorithm 1: each target's probability goes to the atoms below and above."""
    values = []
    for (targets, probabilities), row in zip(y_true, y_pred, strict=True):
        atoms = len(row)
        step = (v_max - v_min) / (atoms - 1)
        m = [0.0] * atoms
        for target, p in zip(targets, probabilities, strict=True):
            b = (min(max(target, v_min), v_max) - v_min) / step
            low, high = math.floor(b), math.ceil(b)
            if low == high:
                m[low] += p
                continue
            m[low] += p * (high - b)
            m[high] += p * (b - low)
        p = [
            probability(row, k, "multiclass", True) if from_logits else row[k] for k in range(atoms)
        ]
        values.append(-sum(a * math.log(b) for a, b in zip(m, p, strict=True)))
    return np.array(values)
