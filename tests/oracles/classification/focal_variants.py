"""Variants of the focal loss, one element at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def of_target(label, row, task, from_logits):
    """The probabilities that each decision of an example is right."""
    p = [probability(row, c, task, from_logits) for c in range(len(row))]
    if task == "multiclass":
        return [p[label]]
    return [q if y == 1 else 1 - q for q, y in zip(p, label, strict=True)]


def reduced_focal(y_true, y_pred, gamma, threshold, task, from_logits):
    out = []
    for label, row in zip(y_true, y_pred, strict=True):
        terms = []
        for p in of_target(label, row, task, from_logits):
            factor = 1.0 if p < threshold else ((1 - p) / threshold) ** gamma
            terms.append(-factor * math.log(p))
        out.append(sum(terms) / len(terms))
    return np.array(out)


def normalised_focal(y_true, y_pred, gamma, task, from_logits):
    pairs = zip(y_true, y_pred, strict=True)
    right = [of_target(label, row, task, from_logits) for label, row in pairs]
    factors = [(1 - p) ** gamma for row in right for p in row]
    mean = sum(factors) / len(factors)
    return np.array(
        [sum(-((1 - p) ** gamma) / mean * math.log(p) for p in row) / len(row) for row in right]
    )


def gaussian_focal(y_true, y_pred, alpha, beta, peak, per_peak, from_logits):
    out = np.zeros(y_pred.shape[:-1])
    for i in range(len(y_pred)):
        peaks = 0
        for at in np.ndindex(*y_pred.shape[1:]):
            y = y_true[i][at]
            p = probability(y_pred[i][at[:-1]], at[-1], "multilabel", from_logits)
            if y >= peak:
                peaks += 1
                out[i][at[:-1]] -= (1 - p) ** alpha * math.log(p)
            else:
                out[i][at[:-1]] -= (1 - y) ** beta * p**alpha * math.log(1 - p)
        if per_peak:
            out[i] *= out[i].size / max(peaks, 1)
    return out
