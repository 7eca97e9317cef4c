"""SIoU and Shape-IoU, one pair of boxes at a time."""

import math

from oracles.boxes.overlap import each_pair, measure


def sides(box):
    return box[2] - box[0], box[3] - box[1]


def centres(a, b):
    return (b[0] + b[2] - a[0] - a[2]) / 2, (b[1] + b[3] - a[1] - a[3]) / 2


@each_pair
def siou(a, b, theta):
    value, _, hull, _ = measure(a, b)
    dx, dy = centres(a, b)
    x = abs(dy) / math.hypot(dx, dy)
    angle = 1 - 2 * math.sin(math.asin(x) - math.pi / 4) ** 2
    distance = sum(
        1 - math.exp(-(2 - angle) * (d / c) ** 2) for d, c in zip((dx, dy), hull, strict=True)
    )
    shape = sum(
        (1 - math.exp(-abs(s - t) / max(s, t))) ** theta
        for s, t in zip(sides(a), sides(b), strict=True)
    )
    return 1 - value + (distance + shape) / 2


@each_pair
def shapeiou(a, b, scale, theta):
    value, _, hull, _ = measure(a, b)
    (w, h), (w2, h2) = sides(a), sides(b)
    ww = 2 * w**scale / (w**scale + h**scale)
    hh = 2 * h**scale / (w**scale + h**scale)
    dx, dy = centres(a, b)
    diagonal = hull[0] ** 2 + hull[1] ** 2
    distance = hh * dx**2 / diagonal + ww * dy**2 / diagonal
    omega_w, omega_h = hh * abs(w - w2) / max(w, w2), ww * abs(h - h2) / max(h, h2)
    shape = (1 - math.exp(-omega_w)) ** theta + (1 - math.exp(-omega_h)) ** theta
    return 1 - value + distance + shape / 2
