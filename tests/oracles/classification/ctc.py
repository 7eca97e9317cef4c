"""Connectionist temporal classification: every path is spelled out and read."""

import itertools
import math

import numpy as np
from oracles.classification.cross_entropy import probability


def spelled(path, blank):
    """The labels of a path: repetitions dropped, then blanks."""
    kept = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
    return [c for c in kept if c != blank]


def ctc(y_true, y_pred, blank, from_logits):
    out = []
    for labels, frames in zip(y_true, y_pred, strict=True):
        blank_id = blank % frames.shape[-1]
        labels = [c for c in labels if c >= 0 and c != blank_id]
        used = sorted({blank_id, *labels})
        p = [[probability(f, c, "multiclass", from_logits) for c in used] for f in frames]
        total = 0.0
        for path in itertools.product(range(len(used)), repeat=len(frames)):
            if spelled([used[i] for i in path], blank_id) == labels:
                total += math.prod(p[t][i] for t, i in enumerate(path))
        out.append(-math.log(total))
    return np.array(out)
