import numpy as np
from oracles.distillation.relations import flat, norm


def relational_angle(y_true, y_pred):
    def cosine(x, i, j, k):
        a, b = x[i] - x[j], x[k] - x[j]
        return 0.0 if j in (i, k) else sum(a * b) / (norm(a) * norm(b))

    t, s = flat(y_true), flat(y_pred)
    n = len(t)
    values = np.zeros(n)
    for j in range(n):
        for i in range(n):
            for k in range(n):
                gap = abs(cosine(t, i, j, k) - cosine(s, i, j, k))
                values[j] += (gap**2 / 2 if gap < 1 else gap - 0.5) / n**2
    return values
