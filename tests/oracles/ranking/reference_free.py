"""Reference-free preferences, one pair of answers at a time."""

import math

import numpy as np


def minus_log_sigmoid(v):
    return -math.log(1 / (1 + math.exp(-v)))


def each_pair(function):
    def oracle(y_true, y_pred, **config):
        rows = zip(y_true, y_pred, strict=True)
        return np.array([function(*sums, *lengths, **config) for lengths, sums in rows])

    return oracle


@each_pair
def sim_po(chosen, rejected, n, m, beta, gamma):
    return minus_log_sigmoid(beta / n * chosen - beta / m * rejected - gamma)


@each_pair
def cpo(chosen, rejected, n, m, beta, weight):
    return minus_log_sigmoid(beta * chosen - beta * rejected) - weight * chosen / n


@each_pair
def orpo(chosen, rejected, n, m, weight):
    p, q = math.exp(chosen / n), math.exp(rejected / m)
    ratio = (p / (1 - p)) / (q / (1 - q))
    return -math.log(p) + weight * minus_log_sigmoid(math.log(ratio))
