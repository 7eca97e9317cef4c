"""Logits against the labels of a window, pixel by pixel."""

import math

import numpy as np


def nacl(ids, y_pred, weight, window, ignore_class, from_logits):
    z = y_pred if from_logits else np.log(y_pred)
    batch, height, width, classes = z.shape
    reach = window // 2
    values = np.zeros(batch)
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                around = [
                    ids[b, r, c]
                    for r in range(max(i - reach, 0), min(i + reach + 1, height))
                    for c in range(max(j - reach, 0), min(j + reach + 1, width))
                ]
                row = z[b, i, j]
                own = math.log(sum(math.exp(v) for v in row)) - row[ids[b, i, j]]
                for c in range(classes):
                    own += weight * abs(row[c] - around.count(c) / len(around)) / classes
                values[b] += own / (height * width)
    return values
