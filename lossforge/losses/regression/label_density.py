"""How rare each target is: weights for regression on unevenly spread targets."""

from __future__ import annotations

import math

import numpy as np


def label_density_weights(
    labels: np.ndarray, bins: int = 100, sigma: float = 2.0, power: float = 1.0
) -> np.ndarray:
    """One over the smoothed density of each label: `sample_weight` for any loss, of mean 1.

    A histogram of the labels is smoothed by a normal kernel, because a target next to a frequent
    one is not rare. Computed once, over the training labels.

    Source: Yang et al. 2021, Delving into Deep Imbalanced Regression (LDS).

    >>> label_density_weights(np.array([0.0, 0.0, 0.0, 1.0]), bins=2, sigma=0.01).round(2)
    array([0.67, 0.67, 0.67, 2.  ])

    Args:
        labels: (examples,), real numbers.
        bins: of the histogram, >= 1.
        sigma: width of the kernel, > 0, in bins.
        power: 1, or 0.5 for the milder weights of the paper's square-root variant.

    Raises:
        ValueError: for labels that are no numbers, or bins, sigma or power out of range.
    """
    labels = np.asarray(labels, dtype="float64").reshape(-1)
    if not labels.size or not np.all(np.isfinite(labels)):
        raise ValueError("label_density_weights: labels must be one finite number or more.")
    if bins < 1 or not sigma > 0 or not 0 <= power <= 1:
        raise ValueError(
            "label_density_weights: bins must be at least 1, sigma above 0 and power in [0, 1], "
            f"got {bins!r}, {sigma!r} and {power!r}."
        )
    counts, edges = np.histogram(labels, bins=bins)
    reach = max(1, math.ceil(4 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    density = np.convolve(counts, kernel / kernel.sum())[reach : reach + bins]
    at = np.clip(np.searchsorted(edges, labels, side="right") - 1, 0, bins - 1)
    weights = density[at] ** -power
    return weights / weights.mean()
