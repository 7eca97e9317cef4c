import math

import numpy as np


def cosine(a, b):
    return sum(a * b) / math.sqrt(sum(a * a) * sum(b * b))


def log(x):
    return math.log(x)


def anchors(x, y):
    """(example, anchor, positive, negatives) for both views."""
    n = len(x)
    for i in range(n):
        others = [v for j in range(n) if j != i for v in (x[j], y[j])]
        yield i, x[i], y[i], others
        yield i, y[i], x[i], others


def ntxent(y_true, y_pred, temperature, decoupled, sigma, chunk=None):
    n = len(y_true)
    positives = [cosine(a, b) for a, b in zip(y_true, y_pred, strict=True)]
    values = np.zeros(n)
    for i, anchor, positive, negatives in anchors(y_true, y_pred):
        up = cosine(anchor, positive) / temperature
        down = [cosine(anchor, k) / temperature for k in negatives]
        if not decoupled:
            down.append(up)
        weight = 1.0
        if sigma is not None:
            raised = [math.exp(p / sigma) for p in positives]
            weight = 2 - raised[i] / (sum(raised) / n)
        values[i] += (log(sum(math.exp(v) for v in down)) - weight * up) / 2
    return values


def hard_negative_ntxent(y_true, y_pred, temperature, tau, beta):
    values = np.zeros(len(y_true))
    for i, anchor, positive, negatives in anchors(y_true, y_pred):
        e_p = math.exp(cosine(anchor, positive) / temperature)
        e = [math.exp(cosine(anchor, k) / temperature) for k in negatives]
        n = len(e)
        importance = [v**beta for v in e]
        hard = sum(a * b for a, b in zip(importance, e, strict=True)) / (sum(importance) / n)
        total = max((hard - tau * n * e_p) / (1 - tau), n * math.exp(-1 / temperature))
        values[i] -= log(e_p / (e_p + total)) / 2
    return values


def similarity(a, b, normalise):
    return cosine(a, b) if normalise else sum(a * b)


def info_nce(y_true, y_pred, temperature, symmetric, normalise):
    n = len(y_true)

    def one_way(x, y):
        values = []
        for i in range(n):
            e = [math.exp(similarity(x[i], y[j], normalise) / temperature) for j in range(n)]
            values.append(-log(e[i] / sum(e)))
        return np.array(values)

    forward = one_way(y_true, y_pred)
    return (forward + one_way(y_pred, y_true)) / 2 if symmetric else forward


def sig_lip(y_true, y_pred, scale, bias, normalise):
    values = np.zeros(len(y_true))
    for i, x in enumerate(y_true):
        for j, y in enumerate(y_pred):
            logit = scale * similarity(x, y, normalise) + bias
            values[i] += log(1 + math.exp(-logit if i == j else logit))
    return values
