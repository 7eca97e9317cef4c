"""Entmax as a problem in one unknown, solved by scipy."""

import math

import numpy as np
from scipy.optimize import brentq


def entmax(y_true, y_pred, alpha):
    out = []
    for label, row in zip(y_true, y_pred, strict=True):
        if alpha == 1:
            out.append(math.log(sum(math.exp(x - row[label]) for x in row)))
            continue

        def p_of(t, row=row):
            return [max(0.0, (alpha - 1) * x - t) ** (1 / (alpha - 1)) for x in row]

        top = (alpha - 1) * max(row)
        t = brentq(lambda t: sum(p_of(t)) - 1, top - 1, top, xtol=1e-15, rtol=1e-15)
        p = p_of(t)
        conjugate = sum(a * x for a, x in zip(p, row, strict=True))
        conjugate += (1 - sum(a**alpha for a in p)) / (alpha * (alpha - 1))
        out.append(conjugate - row[label])
    return np.array(out)
