"""Margin softmax with angles: the papers' formulas as they stand."""

import math

import numpy as np


def cross_entropy(row, label, target, scale):
    logits = [scale * (target if j == label else c) for j, c in enumerate(row)]
    top = max(logits)
    return top + math.log(sum(math.exp(z - top) for z in logits)) - logits[label]


def wider(cosine, margin):
    angle = math.acos(cosine)
    if angle + margin >= math.pi:
        return cosine - margin * math.sin(margin)
    return math.cos(angle + margin)


def arc_face(labels, cosines, margin, scale):
    both = zip(labels, cosines, strict=True)
    return np.array([cross_entropy(row, y, wider(row[y], margin), scale) for y, row in both])


def cos_face(labels, cosines, margin, scale):
    both = zip(labels, cosines, strict=True)
    return np.array([cross_entropy(row, y, row[y] - margin, scale) for y, row in both])


def sphere_face(labels, cosines, margin, scale):
    values = []
    for y, row in zip(labels, cosines, strict=True):
        angle = math.acos(row[y])
        k = math.floor(angle * margin / math.pi)
        values.append(cross_entropy(row, y, (-1) ** k * math.cos(margin * angle) - 2 * k, scale))
    return np.array(values)


def curricular_face(labels, cosines, margin, scale):
    r = np.mean([row[y] for y, row in zip(labels, cosines, strict=True)])
    values = []
    for y, row in zip(labels, cosines, strict=True):
        target = wider(row[y], margin)
        changed = [c if c <= target else c * (r + c) for c in row]
        values.append(cross_entropy(changed, y, target, scale))
    return np.array(values)
