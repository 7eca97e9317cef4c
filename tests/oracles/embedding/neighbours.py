"""Softmax over the other examples, by enumeration."""

import math

import numpy as np
from oracles.embedding import distances
from oracles.embedding.distances import cosine, mean, partners


def sup_con(labels, x, temperature, positives, chunk=None):
    values = []
    for i in range(len(x)):
        same, _ = partners(labels, i)
        e = [math.exp(cosine(x[i], x[j]) / temperature) for j in range(len(x))]
        total = sum(e[j] for j in range(len(x)) if j != i)
        if not same:
            values.append(0.0)
        elif positives == "out":
            values.append(mean(-math.log(e[p] / total) for p in same))
        else:
            values.append(-math.log(mean(e[p] / total for p in same)))
    return np.array(values)


def nca(labels, x, scale, distance):
    values = []
    for i in range(len(x)):
        same, other = partners(labels, i)
        near = {j: distances.distance(x[i], x[j], distance) for j in same + other}
        total = sum(math.exp(-scale * d) for d in near.values())
        chance = sum(math.exp(-scale * near[p]) for p in same) / total
        values.append(-math.log(chance) if same else 0.0)
    return np.array(values)
