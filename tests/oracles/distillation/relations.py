import math

import numpy as np


def flat(x):
    return [row.ravel() for row in x]


def norm(v):
    return math.sqrt(sum(x * x for x in v))


def relational_distance(y_true, y_pred):
    def relations(x):
        n = len(x)
        d = np.array([[norm(a - b) for b in x] for a in x])
        return d / (d.sum() / (n * (n - 1)))

    gap = np.abs(relations(flat(y_true)) - relations(flat(y_pred)))
    cost = np.zeros_like(gap)
    for at in np.ndindex(*gap.shape):
        cost[at] = gap[at] ** 2 / 2 if gap[at] < 1 else gap[at] - 0.5
    return cost.mean(axis=1)


def similarity_preserving(y_true, y_pred):
    def relations(x):
        g = np.array([[sum(a * b) for b in x] for a in x])
        return np.array([row / norm(row) for row in g])

    return ((relations(flat(y_true)) - relations(flat(y_pred))) ** 2).mean(axis=1)


def probabilistic_knowledge_transfer(y_true, y_pred):
    def likeness(a, b):
        return sum(a * b) / (norm(a) * norm(b)) / 2 + 0.5

    t, s = flat(y_true), flat(y_pred)
    values = []
    for i in range(len(t)):
        others = [j for j in range(len(t)) if j != i]
        p = [likeness(t[i], t[j]) for j in others]
        q = [likeness(s[i], s[j]) for j in others]
        values.append(
            sum(a / sum(p) * math.log(a / sum(p) / (b / sum(q))) for a, b in zip(p, q, strict=True))
        )
    return np.array(values)


def correlation_congruence(y_true, y_pred, gamma, normalise):
    def relations(x):
        x = [v / norm(v) for v in x] if normalise else x
        return np.array([[math.exp(-gamma * norm(a - b) ** 2) for b in x] for a in x])

    return ((relations(flat(y_true)) - relations(flat(y_pred))) ** 2).mean(axis=1)
