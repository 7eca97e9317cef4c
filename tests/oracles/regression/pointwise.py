"""Pointwise errors, one element at a time."""

import math

from oracles.regression.robust import mean_over_last


@mean_over_last
def mse(d):
    return d**2


@mean_over_last
def mae(d):
    return d


@mean_over_last
def log_cosh(d):
    return math.log(math.cosh(d))
