import math

import numpy as np


def edges(image):
    """Prewitt's gradient length at half size, one pixel at a time."""
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    grey = 0.299 * r + 0.587 * g + 0.114 * b
    height, width = grey.shape[0] // 2, grey.shape[1] // 2
    small = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        small[i, j] = grey[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean()

    def at(i, j):
        return small[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]

    lengths = []
    for i, j in np.ndindex(height, width):
        across = sum(at(i + k, j - 1) - at(i + k, j + 1) for k in (-1, 0, 1)) / 3
        down = sum(at(i - 1, j + k) - at(i + 1, j + k) for k in (-1, 0, 1)) / 3
        lengths.append(math.hypot(across, down))
    return lengths


def gmsd(y_true, y_pred, stability, max_value):
    c = stability * max_value**2
    values = []
    for t, p in zip(y_true, y_pred, strict=True):
        pairs = zip(edges(t), edges(p), strict=True)
        s = [(2 * a * b + c) / (a * a + b * b + c) for a, b in pairs]
        mean = sum(s) / len(s)
        values.append(math.sqrt(sum((v - mean) ** 2 for v in s) / len(s)))
    return np.array(values)
