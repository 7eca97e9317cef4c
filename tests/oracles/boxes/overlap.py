"""Box overlap losses, one pair of boxes at a time."""

import math

import numpy as np


def each_pair(function):
    def oracle(y_true, y_pred, **config):
        out = np.zeros(y_true.shape[:-1])
        for index in np.ndindex(*out.shape):
            out[index] = function(y_true[index], y_pred[index], **config)
        return out

    return oracle


def measure(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    hull = (max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1]))
    dx, dy = (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2
    penalty = (dx**2 + dy**2) / (hull[0] ** 2 + hull[1] ** 2)
    return inter / union, union, hull, penalty


@each_pair
def iou(a, b, mode):
    value = measure(a, b)[0]
    return {"linear": 1 - value, "square": 1 - value**2, "log": -math.log(max(value, 1e-6))}[mode]


@each_pair
def giou(a, b):
    value, union, hull, _ = measure(a, b)
    return 1 - value + (hull[0] * hull[1] - union) / (hull[0] * hull[1])


@each_pair
def diou(a, b):
    value, _, _, penalty = measure(a, b)
    return 1 - value + penalty


@each_pair
def ciou(a, b):
    value, _, _, penalty = measure(a, b)
    angles = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    return 1 - value + penalty + v / (1 - value + v) * v


@each_pair
def eiou(a, b):
    value, _, hull, penalty = measure(a, b)
    dw, dh = (a[2] - a[0]) - (b[2] - b[0]), (a[3] - a[1]) - (b[3] - b[1])
    return 1 - value + penalty + dw**2 / hull[0] ** 2 + dh**2 / hull[1] ** 2
