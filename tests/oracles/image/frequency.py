import cmath

import numpy as np


def transform(channel):
    """The orthonormal discrete Fourier transform by its definition."""
    height, width = channel.shape
    result = np.zeros((height, width), dtype=complex)
    for u, v in np.ndindex(height, width):
        for i, j in np.ndindex(height, width):
            angle = -2 * cmath.pi * (u * i / height + v * j / width)
            result[u, v] += channel[i, j] * cmath.exp(1j * angle)
    return result / (height * width) ** 0.5


def fourier(y_true, y_pred, compare, power):
    values = []
    for t, p in zip(y_true, y_pred, strict=True):
        costs = []
        for c in range(t.shape[-1]):
            a, b = transform(t[..., c]), transform(p[..., c])
            for x, y in zip(a.ravel(), b.ravel(), strict=True):
                if compare == "amplitude":
                    costs.append(abs(abs(x) - abs(y)) ** power)
                else:
                    costs.append(abs(x.real - y.real) ** power + abs(x.imag - y.imag) ** power)
        values.append(sum(costs) / len(costs))
    return np.array(values)


def focal_frequency(y_true, y_pred, alpha, patches, log_weight):
    values = []
    for t, p in zip(y_true, y_pred, strict=True):
        height, width = t.shape[0] // patches, t.shape[1] // patches
        costs = []
        for i, j, c in np.ndindex(patches, patches, t.shape[2]):
            rows = slice(i * height, (i + 1) * height)
            columns = slice(j * width, (j + 1) * width)
            gap = abs(transform(t[rows, columns, c]) - transform(p[rows, columns, c]))
            weight = gap**alpha
            if log_weight:
                weight = np.log(1 + weight)
            costs.extend((weight / weight.max() * gap**2).ravel())
        values.append(sum(costs) / len(costs))
    return np.array(values)
