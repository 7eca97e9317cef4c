import numpy as np


def mcr2(labels, x, distortion):
    z = np.array([v / np.sqrt(sum(v * v)) for v in x])
    n, d = z.shape

    def half_log_det(rows):
        return np.linalg.slogdet(np.eye(d) + d / (len(rows) * distortion) * rows.T @ rows)[1] / 2

    by_class = sum(
        np.sum(labels == c) / n * half_log_det(z[labels == c]) for c in np.unique(labels)
    )
    return np.full(n, by_class - half_log_det(z))
