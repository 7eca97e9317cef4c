"""Wise-IoU, one pair of boxes at a time."""

import math

from oracles.boxes.overlap import each_pair, eiou, measure


@each_pair
def wiou(a, b):
    value, _, _, distance = measure(a, b)
    return (1 - value) * math.exp(distance)


@each_pair
def focal_eiou(a, b, gamma):
    return measure(a, b)[0] ** gamma * float(eiou(a, b))
