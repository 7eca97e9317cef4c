import numpy as np
from scipy.integrate import trapezoid

from lossforge.losses.contrastive.gaussianity import unit_directions


def sigreg(y_true, y_pred, weight, directions, seed):
    t = np.linspace(-3, 3, 33)
    normal = np.exp(-(t**2) / 2)
    columns = unit_directions(y_pred.shape[1], directions, seed)
    tests = []
    for view in (y_true, y_pred):
        for a in columns.T:
            characteristic = np.mean([np.exp(1j * t * (a @ z)) for z in view], axis=0)
            tests.append(len(view) * trapezoid(abs(characteristic - normal) ** 2 * normal, t))
    centre = (y_true + y_pred) / 2
    apart = ((y_true - centre) ** 2 + (y_pred - centre) ** 2).mean(axis=1) / 2
    return (1 - weight) * apart + weight * np.mean(tests)
