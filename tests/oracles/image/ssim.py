"""Structural similarity, one place of the window at a time."""

import math

import numpy as np


def window_weights(shape, window_size, sigma):
    """A cut Gaussian over all axes at once, not as a product of axes."""
    sides = [min(window_size, n) for n in shape]
    weights = np.zeros(sides)
    for at in np.ndindex(*sides):
        square = sum((i - (n - 1) / 2) ** 2 for i, n in zip(at, sides, strict=True))
        weights[at] = 1.0 if sigma is None else math.exp(-square / (2 * sigma**2))
    return weights / weights.sum()


def local_maps(x, y, max_value, window_size, sigma, k1, k2, padding):
    """Brightness and structure of one channel, as flat lists."""
    w = window_weights(x.shape, window_size, sigma)
    if padding == "symmetric":
        margins = [((n - 1) // 2, n // 2) for n in w.shape]
        x, y = np.pad(x, margins, mode="symmetric"), np.pad(y, margins, mode="symmetric")
    c1, c2 = (k1 * max_value) ** 2, (k2 * max_value) ** 2
    brightness, structure = [], []
    for at in np.ndindex(*[n - m + 1 for n, m in zip(x.shape, w.shape, strict=True)]):
        place = tuple(slice(i, i + m) for i, m in zip(at, w.shape, strict=True))
        a, b = x[place], y[place]
        ma, mb = (w * a).sum(), (w * b).sum()
        va, vb = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum()
        vab = (w * (a - ma) * (b - mb)).sum()
        brightness.append((2 * ma * mb + c1) / (ma**2 + mb**2 + c1))
        structure.append((2 * vab + c2) / (va + vb + c2))
    return brightness, structure


def ssim(y_true, y_pred, **settings):
    values = []
    for t, p in zip(y_true, y_pred, strict=True):
        products = []
        for c in range(t.shape[-1]):
            maps = local_maps(t[..., c], p[..., c], **settings)
            products.extend(a * b for a, b in zip(*maps, strict=True))
        values.append(1 - sum(products) / len(products))
    return np.array(values)


def half_size(x):
    small = np.zeros([n // 2 for n in x.shape])
    for at in np.ndindex(*small.shape):
        small[at] = x[tuple(slice(2 * i, 2 * i + 2) for i in at)].mean()
    return small


def multi_scale_ssim(y_true, y_pred, scale_weights, **settings):
    values = []
    for t, p in zip(y_true, y_pred, strict=True):
        total = 0.0
        for c in range(t.shape[-1]):
            a, b = t[..., c], p[..., c]
            product = 1.0
            for scale, weight in enumerate(scale_weights):
                if scale:
                    a, b = half_size(a), half_size(b)
                brightness, structure = local_maps(a, b, **settings)
                if scale == len(scale_weights) - 1:
                    structure = [u * v for u, v in zip(brightness, structure, strict=True)]
                product *= max(sum(structure) / len(structure), 1e-4) ** weight
            total += product
        values.append(1 - total / t.shape[-1])
    return np.array(values)
