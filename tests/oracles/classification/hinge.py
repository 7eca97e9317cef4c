"""Hinge losses, one score at a time."""

import numpy as np


def hinge(y_true, y_pred, margin, power, task, signed):
    assert not signed
    out = []
    for label, row in zip(y_true, y_pred, strict=True):
        if task == "multiclass":
            rival = max(x for c, x in enumerate(row) if c != label)
            out.append(max(0.0, margin - (row[label] - rival)) ** power)
            continue
        signs = [1 if y == 1 else -1 for y in label]
        terms = [max(0.0, margin - s * x) ** power for s, x in zip(signs, row, strict=True)]
        out.append(sum(terms) / len(terms))
    return np.array(out)


def multi_margin(y_true, y_pred, margin, power):
    out = []
    for label, row in zip(y_true, y_pred, strict=True):
        terms = [max(0.0, margin - row[label] + x) ** power for x in row]
        out.append((sum(terms) - terms[label]) / len(row))
    return np.array(out)
