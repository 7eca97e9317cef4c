"""A conditional random field by all its sequences of tags."""

import itertools
import math

import numpy as np


def crf(y_true, y_pred):
    classes = y_pred.shape[-1]
    values = []
    for tags, rows in zip(y_true, y_pred, strict=True):
        frames, after = rows[:-classes], rows[-classes:]
        tags = [t for t in tags if t >= 0]

        def score(path, frames=frames, after=after):
            moves = sum(after[i, j] for i, j in itertools.pairwise(path))
            return moves + sum(frames[t, tag] for t, tag in enumerate(path))

        every = [score(p) for p in itertools.product(range(classes), repeat=len(tags))]
        top = max(every)
        values.append(top + math.log(sum(math.exp(s - top) for s in every)) - score(tags))
    return np.array(values)
