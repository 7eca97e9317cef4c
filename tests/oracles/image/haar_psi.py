"""Haar wavelets, one pixel at a time."""

import math

import numpy as np


def window(x, i, j, side):
    """The square of pixels whose place (side / 2 - 1, side / 2 - 1) is i, j."""
    half = side // 2
    rows = [
        [
            x[r, c] if 0 <= r < x.shape[0] and 0 <= c < x.shape[1] else 0.0
            for c in range(j - half + 1, j + half + 1)
        ]
        for r in range(i - half + 1, i + half + 1)
    ]
    return np.array(rows)


def haar(x, i, j, scale, horizontal):
    square = window(x, i, j, 2**scale)
    square = square.T if horizontal else square
    half = len(square) // 2
    return abs(square[half:].sum() - square[:half].sum()) / 2**scale


def haar_psi(y_true, y_pred, stability, alpha, max_value):
    def similarity(a, b):
        return (2 * a * b + stability) / (a * a + b * b + stability)

    def halved(x):
        height, width = (n // 2 * 2 for n in x.shape[:2])
        x = x[:height, :width]
        return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4 * 255 / max_value

    values = []
    for pair in zip(y_true, y_pred, strict=True):
        a, b = (halved(x) for x in pair)
        luma = [x @ (0.299, 0.587, 0.114) for x in (a, b)]
        above = below = 0.0
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                weights = []
                for horizontal in (False, True):
                    s = np.mean(
                        [similarity(*(haar(x, i, j, k, horizontal) for x in luma)) for k in (1, 2)]
                    )
                    weights.append(max(haar(x, i, j, 3, horizontal) for x in luma))
                    above += weights[-1] / (1 + math.exp(-alpha * s))
                s = 0.0
                for chroma in ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312)):
                    s += similarity(*(abs(window(x @ chroma, i, j, 2).mean()) for x in (a, b))) / 2
                weights.append(np.mean(weights))
                above += weights[-1] / (1 + math.exp(-alpha * s))
                below += sum(weights)
        mean = above / below
        values.append(1 - (math.log(mean / (1 - mean)) / alpha) ** 2)
    return np.array(values)
