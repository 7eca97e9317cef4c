import numpy as np
import scipy.linalg
from oracles.contrastive.redundancy import direction


def views_of(y_true, y_pred):
    return [np.array([direction(v) for v in view]) for view in (y_true, y_pred)]


def mmcr(y_true, y_pred):
    x, y = views_of(y_true, y_pred)
    eigenvalues = np.linalg.eigvalsh((x + y) @ (x + y).T / 4)
    return np.full(len(x), -sum(np.sqrt(np.maximum(eigenvalues, 0))))


def fro_ssl(y_true, y_pred, invariance):
    x, y = views_of(y_true, y_pred)
    logs = 0.0
    for view in (x, y):
        k = view.T @ view
        logs += np.log(((k / np.trace(k)) ** 2).sum())
    return np.array([invariance * sum((a - b) ** 2) for a, b in zip(x, y, strict=True)]) + logs


def wmse(y_true, y_pred, epsilon):
    white = []
    for view in (y_true, y_pred):
        d = view.shape[1]
        c = np.cov(view, rowvar=False, bias=True)
        c = (1 - epsilon) * c / (np.trace(c) / d) + epsilon * np.eye(d)
        inverse = np.linalg.inv(scipy.linalg.cholesky(c, lower=True))
        white.append([direction(inverse @ v) for v in view - view.mean(axis=0)])
    return np.array([sum((a - b) ** 2) for a, b in zip(*white, strict=True)])


def coding_rate(y_true, y_pred, invariance, distortion):
    x, y = views_of(y_true, y_pred)
    n, d = x.shape
    rate = 0.0
    for view in (x, y):
        eigenvalues = np.linalg.eigvalsh(view.T @ view)
        rate += sum(np.log1p(d / (n * distortion) * np.maximum(eigenvalues, 0))) / 4
    return np.array([invariance * (1 - sum(a * b)) for a, b in zip(x, y, strict=True)]) - rate
