import math

import numpy as np


def byol(y_true, y_pred):
    values = []
    for x, y in zip(y_true, y_pred, strict=True):
        cosine = sum(x * y) / math.sqrt(sum(x * x) * sum(y * y))
        values.append(2 - 2 * cosine)
    return np.array(values)


def softmax(row):
    e = [math.exp(v - max(row)) for v in row]
    return np.array([v / sum(e) for v in e])


def equal_shares(scores, iterations):
    """Sinkhorn's scaling of a (K, B) matrix, as the paper's algorithm writes it."""
    q = np.exp(scores - scores.max()).T
    q /= q.sum()
    clusters, examples = q.shape
    for _ in range(iterations):
        for k in range(clusters):
            q[k] /= q[k].sum() * clusters
        for b in range(examples):
            q[:, b] /= q[:, b].sum() * examples
    return (q * examples).T


def cross_entropy(q, logits):
    return -sum(a * math.log(b) for a, b in zip(q, softmax(logits), strict=True) if a > 0)


def sw_av(y_true, y_pred, temperature, epsilon, iterations):
    codes = [equal_shares(v / epsilon, iterations) for v in (y_true, y_pred)]
    values = []
    for i in range(len(y_true)):
        forward = cross_entropy(codes[0][i], y_pred[i] / temperature)
        values.append((forward + cross_entropy(codes[1][i], y_true[i] / temperature)) / 2)
    return np.array(values)


def dino(y_true, y_pred, temperature, teacher_temperature, centring):
    if centring == "sinkhorn":
        targets = equal_shares(y_true / teacher_temperature, 3)
    else:
        centre = sum(y_true) / len(y_true) if centring == "mean" else 0.0
        targets = [softmax((row - centre) / teacher_temperature) for row in y_true]
    pairs = zip(targets, y_pred, strict=True)
    return np.array([cross_entropy(q, row / temperature) for q, row in pairs])
