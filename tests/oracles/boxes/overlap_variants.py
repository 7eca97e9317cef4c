"""Bent IoU losses, one pair of boxes at a time."""

import math

from oracles.boxes.overlap import each_pair, measure


def terms(penalty, a, b):
    value, union, hull, centres = measure(a, b)
    if penalty == "giou":
        return [1 - union / (hull[0] * hull[1])]
    if penalty == "diou":
        return [centres]
    if penalty == "ciou":
        angles = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
        v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
        return [centres, v / (1 - value + v) * v]
    return []


@each_pair
def alphaiou(a, b, alpha, penalty):
    return 1 - measure(a, b)[0] ** alpha + sum(term**alpha for term in terms(penalty, a, b))


@each_pair
def inneriou(a, b, ratio, penalty):
    inner = []
    for x1, y1, x2, y2 in (a, b):
        x, y, w, h = (x1 + x2) / 2, (y1 + y2) / 2, ratio * (x2 - x1), ratio * (y2 - y1)
        inner.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return 1 - measure(*inner)[0] + sum(terms(penalty, a, b))
