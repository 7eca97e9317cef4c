import math

import numpy as np

DIRECTIONS = {
    "difference": [{(0, 0): -1, (0, 1): 1}, {(0, 0): -1, (1, 0): 1}],
    "sobel": [
        {(0, 0): -1, (1, 0): -2, (2, 0): -1, (0, 2): 1, (1, 2): 2, (2, 2): 1},
        {(0, 0): -1, (0, 1): -2, (0, 2): -1, (2, 0): 1, (2, 1): 2, (2, 2): 1},
    ],
    "laplacian": [{(0, 1): 1, (1, 0): 1, (1, 1): -4, (1, 2): 1, (2, 1): 1}],
}


def image_gradient(y_true, y_pred, operator, power):
    scale = 8 if operator == "sobel" else 1
    values = []
    for t, p in zip(y_true, y_pred, strict=True):
        means = []
        for taps in DIRECTIONS[operator]:
            rows = t.shape[0] - max(i for i, _ in taps)
            columns = t.shape[1] - max(j for _, j in taps)
            total = 0.0
            for i, j, c in np.ndindex(rows, columns, t.shape[2]):
                edge_t = sum(w * t[i + di, j + dj, c] for (di, dj), w in taps.items()) / scale
                edge_p = sum(w * p[i + di, j + dj, c] for (di, dj), w in taps.items()) / scale
                total += abs(edge_t - edge_p) ** power
            means.append(total / (rows * columns * t.shape[2]))
        values.append(sum(means) / len(means))
    return np.array(values)


def total_variation(y_true, y_pred, mode):
    values = []
    for image in y_pred:
        height, width, channels = image.shape
        total = 0.0
        for i, j, c in np.ndindex(height, width, channels):
            dy = image[i + 1, j, c] - image[i, j, c] if i + 1 < height else 0.0
            dx = image[i, j + 1, c] - image[i, j, c] if j + 1 < width else 0.0
            if mode == "anisotropic":
                total += abs(dx) + abs(dy)
            elif mode == "isotropic":
                total += math.hypot(dx, dy)
            else:
                total += dx * dx + dy * dy
        values.append(total / image.size)
    return np.array(values)
