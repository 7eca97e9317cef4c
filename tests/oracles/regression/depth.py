"""Depth losses, one pixel at a time."""

import math

import numpy as np


def silog(y_true, y_pred, focus, root, log_input):
    values = []
    for truth, row in zip(y_true, y_pred, strict=True):
        g = [
            (x if log_input else math.log(x)) - math.log(y)
            for y, x in zip(truth.ravel(), row.ravel(), strict=True)
            if y > 0
        ]
        n = len(g)
        value = sum(v * v for v in g) / n - focus / n**2 * sum(g) ** 2
        values.append(math.sqrt(value) if root else value)
    return np.array(values)


def depth_smoothness(y_true, y_pred, normalise):
    values = []
    for image, depth in zip(y_true, y_pred, strict=True):
        height, width, channels = image.shape
        divisor = float(depth.sum()) / (height * width) if normalise else 1.0
        total = 0.0
        for dy, dx in ((0, 1), (1, 0)):
            terms = []
            for i in range(height - dy):
                for j in range(width - dx):
                    edges = [
                        abs(image[i + dy, j + dx, c] - image[i, j, c]) for c in range(channels)
                    ]
                    change = abs(depth[i + dy, j + dx, 0] - depth[i, j, 0]) / divisor
                    terms.append(change * math.exp(-sum(edges) / channels))
            total += sum(terms) / len(terms)
        values.append(total)
    return np.array(values)
