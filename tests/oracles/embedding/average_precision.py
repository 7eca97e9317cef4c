"""Smoothed ranking measures, one comparison at a time."""

import math

import numpy as np
from oracles.embedding.distances import cosine, mean, partners


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def smooth_ap(labels, x, temperature):
    values = []
    for i in range(len(x)):
        same, other = partners(labels, i)

        def above(j, p, i=i):
            return sigmoid((cosine(x[i], x[j]) - cosine(x[i], x[p])) / temperature)

        precision = []
        for p in same:
            before = 1 + sum(above(q, p) for q in same if q != p)
            precision.append(before / (before + sum(above(n, p) for n in other)))
        values.append(1 - mean(precision) if same else 0.0)
    return np.array(values)


def recall_at_k(labels, x, k, temperature, rank_temperature):
    values = []
    for i in range(len(x)):
        same, other = partners(labels, i)
        recall = []
        for p in same:
            s = cosine(x[i], x[p])
            others = [j for j in same + other if j != p]
            rank = 1 + sum(sigmoid((cosine(x[i], x[j]) - s) / temperature) for j in others)
            recall += [sigmoid((number - rank) / rank_temperature) for number in k]
        values.append(1 - mean(recall) if same else 0.0)
    return np.array(values)


def pnp(labels, x, variant, temperature, b, alpha):
    f = {
        "O": lambda r: r,
        "Iu": lambda r: (1 + r) * math.log(1 + r),
        "Ib": lambda r: (b * r - math.log(1 + b * r)) / b**2,
        "Ds": lambda r: math.log(1 + r),
        "Dq": lambda r: 1 - 1 / (1 + r) ** alpha,
    }[variant]
    values = []
    for i in range(len(x)):
        same, other = partners(labels, i)
        costs = []
        for p in same:
            s = cosine(x[i], x[p])
            costs.append(f(sum(sigmoid((cosine(x[i], x[n]) - s) / temperature) for n in other)))
        values.append(mean(costs) if same else 0.0)
    return np.array(values)
