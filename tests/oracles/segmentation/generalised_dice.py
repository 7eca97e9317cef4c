"""Dice over all classes at once, one pixel at a time."""

import numpy as np
from oracles.segmentation.masks import channels, images


def generalised_dice(
    y_true, y_pred, weighting, smooth, class_weight, ignore_class, exclusive, from_logits
):
    exponent = {"square": 2, "simple": 1, "uniform": 0}[weighting]
    losses = []
    for truth, image in images(y_true, y_pred, from_logits, exclusive):
        rows = list(channels(truth, image))
        sizes = [sum(y) for y, _ in rows]
        weights = [1 / n**exponent if n else None for n in sizes]
        largest = max(w for w in weights if w is not None)
        above, below = smooth, smooth
        for (y, p), w in zip(rows, weights, strict=True):
            w = 1.0 if w is None else w / largest
            for a, b in zip(y, p, strict=True):
                above += 2 * w * a * b
                below += w * (a + b)
        losses.append(1 - above / below)
    return np.array(losses)


def wasserstein_dice(y_true, y_pred, distances, background, smooth, ignore_class, from_logits):
    losses = []
    for truth, image in images(y_true, y_pred, from_logits, True):
        classes = truth.shape[-1]
        hits, errors = 0.0, 0.0
        for place in np.ndindex(*truth.shape[:-1]):
            label = int(np.argmax(truth[place]))
            distance = 0.0
            for k in range(classes):
                apart = float(k != label) if distances is None else distances[label][k]
                distance += apart * image[place][k]
            apart = (
                float(background != label) if distances is None else distances[label][background]
            )
            hits += apart * (1 - distance)
            errors += distance
        losses.append(1 - (2 * hits + smooth) / (2 * hits + errors + smooth))
    return np.array(losses)
