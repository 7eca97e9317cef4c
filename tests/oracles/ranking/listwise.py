"""Listwise rankings, one list at a time."""

import math

from oracles.ranking.pairwise import dcg, each_list


@each_list
def list_net(items, targets):
    weights = [math.exp(y) if targets == "softmax" else y for y, _ in items]
    total = math.log(sum(math.exp(s) for _, s in items))
    chances = [w / max(sum(weights), 1e-12) for w in weights]
    return sum(t * (total - s) for t, (_, s) in zip(chances, items, strict=True))


@each_list
def list_mle(items):
    total = 0.0
    for y, s in items:
        rivals = [other for grade, other in items if grade < y]
        total -= math.log(math.exp(s) / (math.exp(s) + sum(math.exp(v) for v in rivals)))
    return total


@each_list
def approx_ndcg(items, temperature):
    ideal = dcg(sorted((y for y, _ in items), reverse=True))
    if ideal == 0:
        return 0.0
    total = 0.0
    for i, (y, s) in enumerate(items):
        place = 1.0
        for j, (_, other) in enumerate(items):
            if j != i:
                place += 1 / (1 + math.exp((s - other) / temperature))
        total += (2**y - 1) / math.log2(1 + place)
    return 1 - total / ideal


@each_list
def neural_sort(items, temperature):
    n = len(items)
    order = sorted((y for y, _ in items), reverse=True)
    total = 0.0
    for i in range(1, n + 1):
        row = [
            ((n + 1 - 2 * i) * s - sum(abs(s - other) for _, other in items)) / temperature
            for _, s in items
        ]
        normaliser = math.log(sum(math.exp(v) for v in row))
        standing = [v for v, (y, _) in zip(row, items, strict=True) if y == order[i - 1]]
        total += sum(normaliser - v for v in standing) / len(standing)
    return total / max(n, 1)
