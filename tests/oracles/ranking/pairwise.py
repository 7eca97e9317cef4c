"""Pairwise rankings, one list at a time."""

import math

import numpy as np


def each_list(function):
    def oracle(y_true, y_pred, **config):
        out = []
        for grades, scores in zip(y_true, y_pred, strict=True):
            items = [(y, s) for y, s in zip(grades, scores, strict=True) if y >= 0]
            out.append(function(items, **config))
        return np.array(out)

    return oracle


@each_list
def pairwise_ranking(items, surrogate, margin, hardest):
    def cost(gap):
        return math.log(1 + math.exp(-gap)) if surrogate == "logistic" else max(0, margin - gap)

    costs = []
    for y, s in items:
        below = [s - other for grade, other in items if grade < y]
        if below:
            costs += [cost(min(below))] if hardest else [cost(gap) for gap in below]
    return sum(costs) / max(len(costs), 1)


@each_list
def warp(items, margin):
    costs = []
    for y, s in items:
        below = [other for grade, other in items if grade < y]
        violations = [margin - s + other for other in below if margin - s + other > 0]
        if below:
            r = len(violations)
            phi = sum(1 / k for k in range(1, r + 1))
            costs.append(phi * sum(violations) / r if r else 0.0)
    return sum(costs) / max(len(costs), 1)


def dcg(grades):
    return sum((2**y - 1) / math.log2(2 + i) for i, y in enumerate(grades))


@each_list
def lambda_rank(items):
    order = sorted(items, key=lambda item: -item[1])
    ideal = dcg(sorted((y for y, _ in items), reverse=True))
    total = 0.0
    for i, (y, s) in enumerate(order):
        for j, (grade, other) in enumerate(order):
            if y > grade:
                swapped = [item[0] for item in order]
                swapped[i], swapped[j] = swapped[j], swapped[i]
                change = abs(dcg(swapped) - dcg([item[0] for item in order])) / ideal
                total += change * math.log(1 + math.exp(other - s))
    return total
