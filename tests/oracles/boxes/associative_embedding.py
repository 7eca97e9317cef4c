"""Associative embedding, one object at a time."""

import numpy as np


def associative_embedding(y_true, y_pred, pull_weight, push_weight, margin):
    losses = []
    for real, tags in zip(y_true, y_pred, strict=True):
        objects = [row for flag, row in zip(real, tags, strict=True) if flag]
        pull = [(t - np.mean(row)) ** 2 for row in objects for t in row]
        push = [
            max(0.0, margin - abs(np.mean(objects[j]) - np.mean(objects[k])))
            for j in range(len(objects))
            for k in range(len(objects))
            if j != k
        ]
        pull, push = (sum(part) / max(len(part), 1) for part in (pull, push))
        losses.append(pull_weight * pull + push_weight * push)
    return np.array(losses)
