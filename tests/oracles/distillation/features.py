import math

import numpy as np


def direction(v):
    return np.array(v) / math.sqrt(sum(x * x for x in v))


def attention_transfer(y_true, y_pred, power):
    def attention(f):
        return direction([sum(abs(x) ** power for x in f[at]) for at in np.ndindex(*f.shape[:-1])])

    def value(t, s):
        return np.mean([(a - b) ** 2 for a, b in zip(attention(t), attention(s), strict=True)])

    return np.array([value(t, s) for t, s in zip(y_true, y_pred, strict=True)])


def neuron_selectivity(y_true, y_pred, kernel):
    def channels(f):
        return [direction(f[..., c].ravel()) for c in range(f.shape[-1])]

    def mean(a, b):
        power = 2 if kernel == "polynomial" else 1
        return np.mean([sum(x * y) ** power for x in a for y in b])

    values = []
    for t, s in zip(y_true, y_pred, strict=True):
        t, s = channels(t), channels(s)
        values.append(mean(t, t) + mean(s, s) - 2 * mean(t, s))
    return np.array(values)


def activation_boundary(y_true, y_pred, margin):
    values = []
    for t, s in zip(y_true, y_pred, strict=True):
        costs = []
        for a, b in zip(t.flat, s.flat, strict=True):
            if a > 0:
                costs.append((margin - b) ** 2 if b < margin else 0.0)
            else:
                costs.append((margin + b) ** 2 if b > -margin else 0.0)
        values.append(sum(costs) / len(costs))
    return np.array(values)


def factor_transfer(y_true, y_pred, power):
    values = []
    for t, s in zip(y_true, y_pred, strict=True):
        pairs = zip(direction(t.ravel()), direction(s.ravel()), strict=True)
        values.append(np.mean([abs(a - b) ** power for a, b in pairs]))
    return np.array(values)


def channel_wise_distillation(y_true, y_pred, temperature):
    def softmax(x):
        e = [math.exp(v / temperature) for v in x]
        return [v / sum(e) for v in e]

    values = []
    for t, s in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c in range(t.shape[-1]):
            p, q = softmax(t[..., c].ravel()), softmax(s[..., c].ravel())
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        values.append(temperature**2 * total / t.shape[-1])
    return np.array(values)
