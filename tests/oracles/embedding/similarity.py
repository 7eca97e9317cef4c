"""Losses of all pairs of an anchor, by enumeration."""

import math

import numpy as np
from oracles.embedding.distances import cosine, mean, partners


def similarities(labels, x, i):
    positives, negatives = partners(labels, i)
    return [cosine(x[i], x[p]) for p in positives], [cosine(x[i], x[n]) for n in negatives]


def multi_similarity(labels, x, alpha, beta, base, epsilon):
    values = []
    for i in range(len(x)):
        s_p, s_n = similarities(labels, x, i)
        if epsilon is not None:
            lowest, highest = min(s_p, default=math.inf), max(s_n, default=-math.inf)
            s_n = [s for s in s_n if s + epsilon > lowest]
            s_p = [s for s in s_p if s - epsilon < highest]
        pull = math.log(1 + sum(math.exp(-alpha * (s - base)) for s in s_p)) / alpha
        values.append(pull + math.log(1 + sum(math.exp(beta * (s - base)) for s in s_n)) / beta)
    return np.array(values)


def circle(labels, x, margin, gamma, hold_weights):
    values = []
    for i in range(len(x)):
        s_p, s_n = similarities(labels, x, i)
        pull = [math.exp(-gamma * max(1 + margin - s, 0) * (s - 1 + margin)) for s in s_p]
        push = [math.exp(gamma * max(s + margin, 0) * (s - margin)) for s in s_n]
        values.append(math.log1p(sum(a * b for a in pull for b in push)))
    return np.array(values)


def intra_pair_variance(labels, x, epsilon):
    both = [similarities(labels, x, i) for i in range(len(x))]
    mean_p = mean(s for s_p, _ in both for s in s_p)
    mean_n = mean(s for _, s_n in both for s in s_n)
    values = []
    for s_p, s_n in both:
        low = mean(max((1 - epsilon) * mean_p - s, 0) ** 2 for s in s_p)
        values.append(low + mean(max(s - (1 + epsilon) * mean_n, 0) ** 2 for s in s_n))
    return np.array(values)
