"""Poly-1, one element at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def poly1(y_true, y_pred, epsilon, gamma, alpha, task, from_logits):
    def term(p, weight):
        focal = -weight * (1 - p) ** gamma * math.log(p)
        return focal + epsilon * (1 - p) ** (gamma + 1)

    out = []
    for label, row in zip(y_true, y_pred, strict=True):
        p = [probability(row, c, task, from_logits) for c in range(len(row))]
        if task == "multiclass":
            out.append(term(p[label], 1.0))
            continue
        a = 1.0 if alpha is None else alpha
        b = 1.0 if alpha is None else 1 - alpha
        terms = [term(q, a) if y == 1 else term(1 - q, b) for q, y in zip(p, label, strict=True)]
        out.append(sum(terms) / len(terms))
    return np.array(out)
