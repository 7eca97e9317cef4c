"""Proxy losses, one proxy and one example at a time."""

import math

import numpy as np


def proxy_nca(labels, cosines, scale, own_proxy):
    values = []
    for y, row in zip(labels, cosines, strict=True):
        e = [math.exp(-scale * (2 - 2 * c)) for c in row]
        total = sum(v for j, v in enumerate(e) if own_proxy or j != y)
        values.append(-math.log(e[y] / total))
    return np.array(values)


def proxy_anchor(labels, cosines, margin, alpha):
    pull, push = [], []
    for proxy in range(cosines.shape[1]):
        mine = [row[proxy] for y, row in zip(labels, cosines, strict=True) if y == proxy]
        rest = [row[proxy] for y, row in zip(labels, cosines, strict=True) if y != proxy]
        if mine:
            pull.append(math.log(1 + sum(math.exp(-alpha * (s - margin)) for s in mine)))
        push.append(math.log(1 + sum(math.exp(alpha * (s + margin)) for s in rest)))
    return np.full(len(labels), sum(pull) / len(pull) + sum(push) / len(push))


def centre(labels, distances):
    return np.array([row[y] / 2 for y, row in zip(labels, distances, strict=True)])
