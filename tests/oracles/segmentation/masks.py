"""Masks one image, one class and one pixel at a time."""

import math

import numpy as np


def softmax(row):
    e = [math.exp(v - max(row)) for v in row]
    return [v / sum(e) for v in e]


def images(y_true, y_pred, from_logits=False, exclusive=None):
    """One image at a time: targets and probabilities as arrays (*spatial, C)."""
    ids = y_true.ndim == y_pred.ndim - 1
    for truth, image in zip(y_true, y_pred, strict=True):
        y, p = np.zeros(image.shape), np.zeros(image.shape)
        for place in np.ndindex(*image.shape[:-1]):
            row = [float(v) for v in image[place]]
            if from_logits:
                soft = ids if exclusive is None else exclusive
                row = softmax(row) if soft else [1.0 / (1.0 + math.exp(-v)) for v in row]
            p[place] = row
            if ids:
                y[place][truth[place]] = 1.0
            else:
                y[place] = truth[place]
        yield y, p


def channels(y, p):
    """One class at a time: lists of pixels."""
    for c in range(y.shape[-1]):
        yield [float(v) for v in y[..., c].ravel()], [float(v) for v in p[..., c].ravel()]


def per_image(y_true, y_pred, from_logits, exclusive, one_class):
    """Mean over classes of one_class(targets, probabilities), one image at a time."""
    losses = []
    for y, p in images(y_true, y_pred, from_logits, exclusive):
        values = [one_class(t, q) for t, q in channels(y, p)]
        losses.append(sum(values) / len(values))
    return np.array(losses)
