"""The box losses of CSE-Autoloss, one pair of boxes at a time."""

from oracles.boxes.overlap import each_pair


def areas(a, b):
    i = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    u = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - i
    e = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return i, u, e


@each_pair
def auto_box(a, b, found, units):
    i, u, e = areas(a, b)
    if found == "A":
        return (1 - i / u) + (1 - ((i + 2) if units == "pixel" else i) / e)
    if units == "ratio":
        return -3 * e / (3 * e - i - u)
    return -3 * (e * u + 4 * e + i + u + 6) / ((u + 5) * (3 * e - i - u))
