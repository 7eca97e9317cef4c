"""Area under the ROC curve as losses, one pair at a time."""

import math

import numpy as np


def columns(y_true, y_pred, from_logits):
    for c in range(y_pred.shape[1]):
        scores = [1 / (1 + math.exp(-v)) if from_logits else float(v) for v in y_pred[:, c]]
        yield [int(v) for v in y_true[:, c]], scores


def mann_whitney(y_true, y_pred, margin, power, from_logits):
    values = np.zeros(len(y_true))
    for labels, scores in columns(y_true, y_pred, from_logits):
        for i, label in enumerate(labels):
            costs = []
            for j, other in enumerate(labels):
                if label == 1 and other == 0:
                    costs.append(max(0.0, margin - (scores[i] - scores[j])) ** power)
                if label == 0 and other == 1:
                    costs.append(max(0.0, margin - (scores[j] - scores[i])) ** power)
            if costs:
                values[i] += sum(costs) / len(costs) / y_pred.shape[1]
    return values


def aucm(y_true, y_pred, margin, from_logits):
    values = np.zeros(len(y_true))
    for labels, scores in columns(y_true, y_pred, from_logits):
        up = [s for y, s in zip(labels, scores, strict=True) if y == 1]
        down = [s for y, s in zip(labels, scores, strict=True) if y == 0]
        if not up or not down:
            continue
        share, a, b = len(up) / len(labels), sum(up) / len(up), sum(down) / len(down)
        dual = max(0.0, margin + b - a)  # maximises 2 dual (margin + b - a) - dual^2
        gap = share * (1 - share) * (2 * dual * (margin + b - a) - dual**2)
        for i, (label, score) in enumerate(zip(labels, scores, strict=True)):
            centre, factor = (a, 1 - share) if label else (b, share)
            values[i] += (factor * (score - centre) ** 2 + gap) / y_pred.shape[1]
    return values
