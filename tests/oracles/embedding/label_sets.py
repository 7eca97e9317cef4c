import math

import numpy as np
from oracles.embedding.distances import cosine


def multi_sup_con(y_true, x, temperature, threshold):
    sets = [set(np.flatnonzero(row)) for row in y_true]
    values = []
    for i, own in enumerate(sets):
        others = [j for j in range(len(x)) if j != i]
        e = {j: math.exp(cosine(x[i], x[j]) / temperature) for j in others}
        weights = {j: len(own & sets[j]) / max(len(own | sets[j]), 1) for j in others}
        weights = {j: w for j, w in weights.items() if w > 0 and w >= threshold}
        total = sum(e.values())
        pull = sum(w * math.log(total / e[j]) for j, w in weights.items())
        values.append(pull / sum(weights.values()) if weights else 0.0)
    return np.array(values)
