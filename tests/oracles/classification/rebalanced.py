"""Distribution-balanced and influence-balanced losses, one element at a time."""

import math

import numpy as np


def distribution_balanced(
    y_true, y_pred, class_shares, alpha, beta, mu, negative_scale, kappa, from_logits
):
    losses = []
    for labels, row in zip(y_true, y_pred, strict=True):
        n = len(row)
        by_instance = sum(1 / n / class_shares[j] for j in range(n) if labels[j])
        total = 0.0
        for k in range(n):
            by_class = 1 / n / class_shares[k]
            ratio = by_class / by_instance if by_instance else 0.0
            weight = alpha + 1 / (1 + math.exp(-beta * (ratio - mu)))
            z = row[k] if from_logits else math.log(row[k] / (1 - row[k]))
            initial = -math.log(1 / class_shares[k] - 1)
            v = z - (-kappa * initial)
            if labels[k]:
                total += weight * math.log(1 + math.exp(-v))
            else:
                total += weight * math.log(1 + math.exp(negative_scale * v)) / negative_scale
        losses.append(total / n)
    return np.array(losses)


def influence_balanced(y_true, y_pred, class_counts, alpha, epsilon):
    inverse_total = sum(1 / n for n in class_counts)
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        logits, norm = row[:-1], row[-1]
        total = sum(math.exp(v) for v in logits)
        p = [math.exp(v) / total for v in logits]
        distance = sum(abs(q - (c == label)) for c, q in enumerate(p))
        weight = alpha / class_counts[label] / inverse_total
        losses.append(-weight * math.log(p[label]) / (distance * norm + epsilon))
    return np.array(losses)
