"""Triplet losses by enumerating triplets."""

import math

import numpy as np
from oracles.embedding import distances
from oracles.embedding.distances import mean, partners


def triplet(labels, x, margin, strategy, distance):
    def cost(excess):
        return math.log1p(math.exp(excess)) if margin == "soft" else max(excess + margin, 0.0)

    values = []
    for a in range(len(x)):
        positives, negatives = partners(labels, a)
        to_p = [distances.distance(x[a], x[p], distance) for p in positives]
        to_n = [distances.distance(x[a], x[n], distance) for n in negatives]
        if not to_p or not to_n:
            values.append(0.0)
        elif strategy == "all":
            values.append(mean(cost(p - n) for p in to_p for n in to_n))
        elif strategy == "hard":
            values.append(cost(max(to_p) - min(to_n)))
        else:
            chosen = [min((n for n in to_n if n > p), default=max(to_n)) for p in to_p]
            values.append(mean(cost(p - n) for p, n in zip(to_p, chosen, strict=True)))
    return np.array(values)
