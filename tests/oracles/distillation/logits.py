import math

import numpy as np


def softmax(logits):
    top = max(logits)
    e = [math.exp(x - top) for x in logits]
    return [x / sum(e) for x in e]


def divergence(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def distillation(y_true, y_pred, temperature, beta, standardise):
    values = []
    for t, s in zip(y_true, y_pred, strict=True):
        if standardise:
            t, s = ((x - np.mean(x)) / np.std(x) for x in (t, s))
        t, s = softmax(t / temperature), softmax(s / temperature)
        m = [beta * a + (1 - beta) * b for a, b in zip(t, s, strict=True)]
        if beta == 0:
            value = divergence(t, s)
        elif beta == 1:
            value = divergence(s, t)
        else:
            value = beta * divergence(t, m) + (1 - beta) * divergence(s, m)
        values.append(temperature**2 * value)
    return np.array(values)


def decoupled_distillation(y_true, y_pred, alpha, beta, temperature):
    values = []
    for (teacher, one_hot), student in zip(y_true, y_pred, strict=True):
        label = int(np.argmax(one_hot))
        t, s = softmax(teacher / temperature), softmax(student / temperature)
        target = divergence([t[label], 1 - t[label]], [s[label], 1 - s[label]])
        t = [p / (1 - t[label]) for c, p in enumerate(t) if c != label]
        s = [p / (1 - s[label]) for c, p in enumerate(s) if c != label]
        values.append(temperature**2 * (alpha * target + beta * divergence(t, s)))
    return np.array(values)


def dist(y_true, y_pred, beta, gamma, temperature):
    def pearson(x, y):
        return np.corrcoef(x, y)[0, 1]

    t = np.array([softmax(row / temperature) for row in y_true])
    s = np.array([softmax(row / temperature) for row in y_pred])
    intra = np.mean([1 - pearson(t[:, c], s[:, c]) for c in range(t.shape[1])])
    inter = np.array([1 - pearson(a, b) for a, b in zip(t, s, strict=True)])
    return temperature**2 * (beta * inter + gamma * intra)
