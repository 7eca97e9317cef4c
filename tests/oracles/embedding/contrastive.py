"""Pair losses, one pair at a time."""

import math

import numpy as np
from oracles.embedding import distances
from oracles.embedding.distances import mean, partners


def contrastive(labels, x, margin, positive_margin, distance):
    values = []
    for i in range(len(x)):
        positives, negatives = partners(labels, i)
        to = [distances.distance(x[i], x[j], distance) if i != j else 0.0 for j in range(len(x))]
        pull = mean(max(to[p] - positive_margin, 0.0) ** 2 for p in positives)
        values.append((pull + mean(max(margin - to[n], 0.0) ** 2 for n in negatives)) / 2)
    return np.array(values)


def margin(labels, x, margin, beta):
    values = []
    for i in range(len(x)):
        positives, negatives = partners(labels, i)
        pull = [distances.distance(x[i], x[p], "chord") - beta + margin for p in positives]
        push = [beta - distances.distance(x[i], x[n], "chord") + margin for n in negatives]
        values.append(mean(max(v, 0.0) for v in pull) + mean(max(v, 0.0) for v in push))
    return np.array(values)


def ranked_list(labels, x, margin, alpha, temperature, balance):
    values = []
    for i in range(len(x)):
        positives, negatives = partners(labels, i)
        pull = [distances.distance(x[i], x[p], "chord") - alpha + margin for p in positives]
        push = [alpha - distances.distance(x[i], x[n], "chord") for n in negatives]
        push = [v for v in push if v > 0]
        weights = [math.exp(temperature * v) for v in push]
        total = sum(w * v for w, v in zip(weights, push, strict=True))
        negative = total / sum(weights) if weights else 0.0
        positive = mean(v for v in pull if v > 0)
        values.append((1 - balance) * positive + balance * negative)
    return np.array(values)
