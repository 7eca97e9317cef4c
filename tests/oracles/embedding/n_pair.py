"""Losses of a positive against all negatives, by enumeration."""

import math

import numpy as np
from oracles.embedding import distances
from oracles.embedding.distances import cosine, mean, partners


def over_pairs(labels, x, cost):
    values = []
    for i in range(len(x)):
        positives, negatives = partners(labels, i)
        values.append(mean(cost(i, p, negatives) for p in positives) if negatives else 0.0)
    return np.array(values)


def npair(labels, x):
    def cost(i, p, negatives):
        return math.log1p(sum(math.exp(x[i] @ x[n] - x[i] @ x[p]) for n in negatives))

    return over_pairs(labels, x, cost)


def lifted(labels, x, margin, generalized, distance):
    def d(i, j):
        return distances.distance(x[i], x[j], distance)

    def cost(i, p, negatives):
        total = sum(math.exp(margin - d(i, n)) + math.exp(margin - d(p, n)) for n in negatives)
        return 0.5 * max(d(i, p) + math.log(total), 0.0) ** 2

    if not generalized:
        return over_pairs(labels, x, cost)
    values = []
    for i in range(len(x)):
        positives, negatives = partners(labels, i)
        pull = sum(math.exp(d(i, p)) for p in positives)
        push = sum(math.exp(margin - d(i, n)) for n in negatives)
        values.append(max(math.log(pull * push), 0.0) if pull * push else 0.0)
    return np.array(values)


def angular(labels, x, alpha):
    u = [row / np.linalg.norm(row) for row in x]
    t = math.tan(alpha * math.pi / 180) ** 2

    def cost(i, p, negatives):
        f = [4 * t * (u[i] + u[p]) @ u[n] - 2 * (1 + t) * u[i] @ u[p] for n in negatives]
        return math.log1p(sum(math.exp(v) for v in f))

    return over_pairs(labels, x, cost)


def tuplet_margin(labels, x, slack_degrees, scale):
    def cost(i, p, negatives):
        near = math.cos(math.acos(cosine(x[i], x[p])) - math.radians(slack_degrees))
        return math.log1p(sum(math.exp(scale * (cosine(x[i], x[n]) - near)) for n in negatives))

    return over_pairs(labels, x, cost)
