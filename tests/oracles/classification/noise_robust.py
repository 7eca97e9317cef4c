"""Losses of the label's probability, one example at a time."""

import math

import numpy as np
from oracles.classification.cross_entropy import probability


def each(y_true, y_pred, from_logits, f):
    rows = zip(y_true, y_pred, strict=True)
    return np.array([f(probability(row, y, "multiclass", from_logits)) for y, row in rows])


def generalised_cross_entropy(y_true, y_pred, q, truncation, from_logits):
    def box_cox(p):
        return (1 - p**q) / q if q else -math.log(p)

    def loss(p):
        return box_cox(truncation) if truncation and p <= truncation else box_cox(p)

    return each(y_true, y_pred, from_logits, loss)


def taylor_cross_entropy(y_true, y_pred, order, from_logits):
    def loss(p):
        return sum((1 - p) ** k / k for k in range(1, order + 1))

    return each(y_true, y_pred, from_logits, loss)


def phuber_cross_entropy(y_true, y_pred, tau, from_logits):
    def loss(p):
        return -tau * p + math.log(tau) + 1 if p <= 1 / tau else -math.log(p)

    return each(y_true, y_pred, from_logits, loss)


def agce(y_true, y_pred, a, q, from_logits):
    return each(y_true, y_pred, from_logits, lambda p: ((a + 1) ** q - (a + p) ** q) / q)


def aul(y_true, y_pred, a, q, from_logits):
    return each(y_true, y_pred, from_logits, lambda p: ((a - p) ** q - (a - 1) ** q) / q)


def ael(y_true, y_pred, a, from_logits):
    return each(y_true, y_pred, from_logits, lambda p: math.exp(-p / a) - math.exp(-1 / a))
