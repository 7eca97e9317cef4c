"""Wise-IoU, one pair of boxes at a time."""

import math

from oracles.boxes.overlap import each_pair, measure


@each_pair
def wiou(a, b):
    value, _, _, distance = measure(a, b)
    return (1 - value) * math.exp(distance)
