"""Losses of two networks and of several views, one example at a time."""

import math

import numpy as np
from oracles.classification.active_passive import probabilities


def easiest(values, keep):
    """Indices of the smallest ones, as many as a share of them all, rounded up."""
    number = math.ceil(keep * len(values) - 1e-9)
    return sorted(range(len(values)), key=lambda i: values[i])[:number]


def cross_entropies(y_true, y_pred, network, from_logits):
    rows = zip(y_true, y_pred, strict=True)
    return [-math.log(probabilities(v[network], from_logits)[y]) for y, v in rows]


def co_teaching(y_true, y_pred, keep, from_logits):
    one, two = (cross_entropies(y_true, y_pred, n, from_logits) for n in (0, 1))
    values = np.zeros(len(y_true))
    for own, other in ((one, two), (two, one)):
        chosen = easiest(other, keep)
        for i in chosen:
            values[i] += own[i] * len(y_true) / len(chosen)
    return values


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def jo_co_r(y_true, y_pred, agreement, keep, from_logits):
    joint = []
    for label, (one, two) in zip(y_true, y_pred, strict=True):
        p, q = probabilities(one, from_logits), probabilities(two, from_logits)
        supervised = -math.log(p[label]) - math.log(q[label])
        joint.append((1 - agreement) * supervised + agreement * (kl(p, q) + kl(q, p)))
    chosen = easiest(joint, keep)
    return np.array(
        [v * len(joint) / len(chosen) if i in chosen else 0.0 for i, v in enumerate(joint)]
    )


def generalised_jensen_shannon(y_true, y_pred, share, from_logits):
    losses = []
    for label, views in zip(y_true, y_pred, strict=True):
        rows = [views] if views.ndim == 1 else list(views)
        members = [[float(c == label) for c in range(len(rows[0]))]]
        members += [probabilities(row, from_logits) for row in rows]
        weights = [share] + [(1 - share) / len(rows)] * len(rows)
        mean = [
            sum(w * p[c] for w, p in zip(weights, members, strict=True))
            for c in range(len(rows[0]))
        ]

        def entropy(p):
            return -sum(v * math.log(v) for v in p if v > 0)

        spread = entropy(mean)
        for w, p in zip(weights, members, strict=True):
            spread -= w * entropy(p)
        losses.append(spread / (-(1 - share) * math.log(1 - share)))
    return np.array(losses)
