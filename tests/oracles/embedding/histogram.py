"""Histogram losses from the triangular kernel, one pair and one bin at a time."""

import numpy as np
from oracles.embedding.distances import cosine, partners


def soft_histogram(numbers, centres):
    step = centres[1] - centres[0]
    return [sum(max(0.0, 1 - abs(v - c) / step) for v in numbers) for c in centres]


def histogram(labels, x, bins):
    centres = np.linspace(-1, 1, bins + 1)
    both = [partners(labels, i) for i in range(len(x))]
    positive = [cosine(x[i], x[p]) for i in range(len(x)) for p in both[i][0]]
    negatives = sum(len(n) for _, n in both)
    h = soft_histogram(positive, centres)
    values = []
    for i in range(len(x)):
        mine = soft_histogram([cosine(x[i], x[n]) for n in both[i][1]], centres)
        total = sum(mine[r] * h[q] for r in range(bins + 1) for q in range(r + 1))
        values.append(len(x) * total / len(positive) / negatives)
    return np.array(values)


def fast_ap(labels, x, bins):
    centres = np.linspace(0, 4, bins + 1)
    values = []
    for i in range(len(x)):
        same, other = partners(labels, i)
        h_same = soft_histogram([2 - 2 * cosine(x[i], x[j]) for j in same], centres)
        h_all = soft_histogram([2 - 2 * cosine(x[i], x[j]) for j in same + other], centres)
        ap = 0.0
        for r in range(bins + 1):
            if h_same[r] > 0:
                ap += h_same[r] * sum(h_same[: r + 1]) / sum(h_all[: r + 1]) / len(same)
        values.append(1 - ap if same else 0.0)
    return np.array(values)
