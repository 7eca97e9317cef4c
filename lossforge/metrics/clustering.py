"""Whether the embeddings of an identity lie together: NMI and AMI of k-means clusters."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def clustering_metrics(embeddings: Any, labels: Any, seed: int = 0) -> dict[str, float]:
    """Agreement of identities with the clusters of k-means, as many as there are identities.

        nmi = 2 I(identity; cluster) / (H(identity) + H(cluster))
        ami = (I - E[I]) / ((H(identity) + H(cluster)) / 2 - E[I])

    I is mutual information, H entropy, E[I] what I would be if the clusters, of the same sizes,
    were drawn at random. With many small identities NMI is high for random clusters too; AMI is 0
    then, and is the one to compare by.

    Args:
        embeddings: (N, D), of any length: their directions are clustered.
        labels: (N,) identities.
        seed: of k-means, which is started once.

    Returns: "nmi" in [0, 1] and "ami", at most 1. Embeddings that are all equal are one cluster,
        and both are 0; where there is one identity and one cluster both are 1.

    Source: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, chapter 16
        (NMI); Vinh, Epps and Bailey 2010, Information Theoretic Measures for Clusterings Comparison
        (AMI); Song et al. 2016, Deep Metric Learning via Lifted Structured Feature Embedding (the
        protocol).

    >>> clustering_metrics([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], [0, 0, 1, 1])
    {'nmi': 1.0, 'ami': 1.0}
    """
    from sklearn import metrics

    from lossforge.metrics.retrieval import checked

    rows, labels = checked("embeddings", embeddings, labels)
    clusters = _clusters(rows, len(np.unique(labels)), seed)
    return {
        "nmi": float(metrics.normalized_mutual_info_score(labels, clusters)),
        "ami": float(metrics.adjusted_mutual_info_score(labels, clusters)),
    }


def _clusters(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # Its threads wait for each other busily: slow on a busy machine.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters
        return KMeans(count, n_init=1, random_state=seed).fit_predict(rows)
