"""What features are worth: a linear classifier on them, with few labels or all."""

from __future__ import annotations

from typing import Any

import numpy as np


def linear_probe(
    features: Any,
    labels: Any,
    test_features: Any,
    test_labels: Any,
    labels_per_class: int | None = None,
    draws: int = 5,
    seed: int = 0,
) -> float:
    """The accuracy of a logistic regression on frozen features, in [0, 1].

    Features are standardised by those of the training set, labelled or not. With few labels the
    mean over several draws of which examples are labelled; the draws depend on the seed only, so
    that two sets of features are compared on the same ones.

    Args:
        features: (N, D). labels: (N,).
        test_features: (M, D). test_labels: (M,).
        labels_per_class: labelled examples of each class; None: all.
        draws: how many, where `labels_per_class` is given.
        seed: of the draws.

    Source: Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations.

    >>> linear_probe([[0.0], [0.1], [5.0], [5.1]], [0, 0, 1, 1], [[0.2], [4.9]], [0, 1])
    1.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    labels, test_labels = np.asarray(labels), np.asarray(test_labels)
    scaler = StandardScaler().fit(features)
    x, test = scaler.transform(features), scaler.transform(test_features)
    rng = np.random.default_rng(seed)
    scores = []
    for _ in range(draws if labels_per_class else 1):
        known = np.arange(len(labels))
        if labels_per_class:
            groups = (rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels))
            known = np.concatenate([group[:labels_per_class] for group in groups])
        probe = LogisticRegression(max_iter=500).fit(x[known], labels[known])
        scores.append(probe.score(test, test_labels))
    return float(np.mean(scores))
