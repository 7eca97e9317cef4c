"""A VGG trunk in NumPy, and losses on its features, one place at a time."""

import math

import numpy as np

CHANNELS = {"1": 64, "2": 128, "3": 256, "4": 512, "5": 512}
BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
ORDER = {
    backbone: [f"block{b}_conv{c}" for b, n in enumerate(blocks, 1) for c in range(1, n + 1)]
    for backbone, blocks in BLOCKS.items()
}


def same_convolution(x, kernel):
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    result = np.zeros((height, width, kernel.shape[-1]))
    for i, j in np.ndindex(height, width):
        result[i, j] = np.tensordot(padded[i : i + 3, j : j + 3], kernel, axes=3)
    return result


def halved(x):
    result = np.zeros((x.shape[0] // 2, x.shape[1] // 2, x.shape[2]))
    for i, j in np.ndindex(*result.shape[:2]):
        result[i, j] = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(0, 1))
    return result


def features(image, backbone, layers, before_relu=False):
    """Of random weights with seed 0, drawn in the order of the layers."""
    if backbone is None:
        return [image]
    mean, std = (123.68, 116.779, 103.939), (58.395, 57.12, 57.375)
    x = ((255 * image - mean) / std)[..., ::-1]
    rng = np.random.default_rng(0)
    found = {}
    for name in ORDER[backbone]:
        if name.endswith("conv1") and name != "block1_conv1":
            x = halved(x)
        inputs = x.shape[-1]
        kernel = rng.normal(0, math.sqrt(2 / (9 * inputs)), (3, 3, inputs, CHANNELS[name[5]]))
        before = same_convolution(x, kernel)
        x = np.where(before > 0, before, 0)
        found[name] = before if before_relu else x
        if set(layers) <= set(found):
            break
    return [found[name] for name in layers]


def total(y_true, y_pred, backbone, layers, layer_weights, cost, before_relu=False):
    values = []
    for t, p in zip(y_true, y_pred, strict=True):
        maps = zip(
            features(t, backbone, layers, before_relu),
            features(p, backbone, layers, before_relu),
            strict=True,
        )
        value = 0.0
        for index, (a, b) in enumerate(maps):
            value += (layer_weights[index] if layer_weights else 1.0) * cost(a, b)
        values.append(value)
    return np.array(values)


def perceptual(y_true, y_pred, backbone, layers, weights, layer_weights, power, pre_activation):
    def cost(a, b):
        return sum(abs(u - v) ** power for u, v in zip(a.flat, b.flat, strict=True)) / a.size

    return total(y_true, y_pred, backbone, layers, layer_weights, cost, pre_activation)


def style(y_true, y_pred, backbone, layers, weights, layer_weights):
    def gram(f):
        matrix = np.zeros((f.shape[-1], f.shape[-1]))
        for i, j in np.ndindex(*f.shape[:2]):
            matrix += np.outer(f[i, j], f[i, j])
        return matrix / f.size

    def cost(a, b):
        return ((gram(a) - gram(b)) ** 2).sum()

    return total(y_true, y_pred, backbone, layers, layer_weights, cost)


def direction(v):
    length = math.sqrt(sum(n * n for n in v))
    return v / length if length else 0 * v


def lpips(y_true, y_pred, backbone, layers, weights, layer_weights, heads):
    def cost(a, b):
        gaps = [direction(a[at]) - direction(b[at]) for at in np.ndindex(*a.shape[:2])]
        return sum((gap**2).sum() for gap in gaps) / len(gaps)

    return total(y_true, y_pred, backbone, layers, layer_weights, cost)


def contextual(y_true, y_pred, backbone, layers, weights, layer_weights, bandwidth):
    def cost(a, b):
        target = a.reshape(-1, a.shape[-1])
        mean = sum(target) / len(target)
        target = [direction(v - mean) for v in target]
        similarity = []
        for v in b.reshape(-1, b.shape[-1]):
            d = [1 - direction(v - mean) @ u for u in target]
            w = [math.exp((1 - x / (min(d) + 1e-5)) / bandwidth) for x in d]
            similarity.append([x / sum(w) for x in w])
        best = [max(row[j] for row in similarity) for j in range(len(target))]
        return -math.log(sum(best) / len(best))

    return total(y_true, y_pred, backbone, layers, layer_weights, cost)
