"""Long-tail softmax losses, one element at a time."""

import math

import numpy as np
from oracles.classification.active_passive import probabilities


def softmax_loss(z, label):
    return -math.log(math.exp(z[label]) / sum(math.exp(v) for v in z))


def logits_of(row, from_logits):
    return list(row) if from_logits else [math.log(v) for v in row]


def logit_adjusted(y_true, y_pred, class_counts, tau, gamma, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        z = logits_of(row, from_logits)
        shifted = [
            v * (n / max(class_counts)) ** gamma + tau * math.log(n / sum(class_counts))
            for v, n in zip(z, class_counts, strict=True)
        ]
        losses.append(softmax_loss(shifted, label))
    return np.array(losses)


def weights_of(class_counts, beta):
    effective = [(1 - beta**n) / (1 - beta) for n in class_counts]
    total = sum(1 / e for e in effective)
    return [len(effective) / e / total for e in effective]


def ldam(y_true, y_pred, class_counts, margin, scale, beta):
    weights = weights_of(class_counts, beta)
    widest = max(1 / n**0.25 for n in class_counts)
    losses = []
    for label, cosines in zip(y_true, y_pred, strict=True):
        z = [scale * c for c in cosines]
        z[label] -= scale * margin / class_counts[label] ** 0.25 / widest
        losses.append(weights[label] * softmax_loss(z, label))
    return np.array(losses)


def class_balanced(y_true, y_pred, class_counts, beta, gamma, activation, from_logits):
    weights = weights_of(class_counts, beta)
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        if activation == "softmax":
            p = probabilities(row, from_logits)[label]
            losses.append(-weights[label] * (1 - p) ** gamma * math.log(p))
            continue
        total = 0.0
        for c, v in enumerate(row):
            p = 1 / (1 + math.exp(-v)) if from_logits else v
            right = p if c == label else 1 - p
            total -= (1 - right) ** gamma * math.log(right)
        losses.append(weights[label] * total)
    return np.array(losses)


def running_seesaw(y_true, y_pred, p, q, epsilon):
    return np.concatenate(
        [
            seesaw([label], [logits], [max(n, 1.0) for n in counts], p, q, epsilon, True)
            for label, (logits, counts) in zip(y_true, y_pred, strict=True)
        ]
    )


def seesaw(y_true, y_pred, class_counts, p, q, epsilon, from_logits):
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        z, score = logits_of(row, from_logits), probabilities(row, from_logits)
        below = 0.0
        for j in range(len(z)):
            factor = 1.0
            if j != label:
                if class_counts[label] > class_counts[j]:
                    factor *= (class_counts[j] / class_counts[label]) ** p
                if score[j] > max(score[label], epsilon):
                    factor *= (score[j] / max(score[label], epsilon)) ** q
            below += factor * math.exp(z[j])
        losses.append(-math.log(math.exp(z[label]) / below))
    return np.array(losses)
