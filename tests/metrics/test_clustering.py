"""NMI and AMI from counts and entropies, and the expected information from all permutations."""

import itertools
import math

import numpy as np
import pytest

from lossforge.metrics.clustering import clustering_metrics


def entropy(labels):
    shares = [labels.count(name) / len(labels) for name in set(labels)]
    return -sum(share * math.log(share) for share in shares)


def information(first, second):
    return entropy(first) + entropy(second) - entropy(list(zip(first, second, strict=True)))


def by_definition(labels, clusters):
    middle = (entropy(labels) + entropy(clusters)) / 2
    drawn = [information(labels, list(order)) for order in itertools.permutations(clusters)]
    expected = sum(drawn) / len(drawn)
    found = information(labels, clusters)
    return {"nmi": found / middle, "ami": (found - expected) / (middle - expected)}


def test_they_are_what_the_counts_say():
    labels = [0, 0, 0, 1, 1, 2, 2]
    clusters = [0, 0, 1, 1, 1, 2, 2]  # one of identity 0 lies with identity 1
    angles = np.array([0.0, 0.01, 2.0, 2.01, 2.02, 4.0, 4.01])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert clustering_metrics(embeddings, labels) == pytest.approx(by_definition(labels, clusters))


def test_chance_has_a_high_nmi_and_no_ami():
    rng = np.random.default_rng(0)
    found = clustering_metrics(rng.normal(size=(400, 8)), np.repeat(np.arange(100), 4))
    assert found["nmi"] > 0.6
    assert abs(found["ami"]) < 0.05


def test_only_the_direction_counts():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 3)), rng.integers(0, 5, 60)
    assert clustering_metrics(x * rng.uniform(0.1, 9, (60, 1)), y) == pytest.approx(
        clustering_metrics(x, y)
    )


def test_equal_embeddings_are_one_cluster():
    assert clustering_metrics(np.ones((6, 3)), [0, 0, 1, 1, 2, 2]) == {"nmi": 0.0, "ami": 0.0}


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 of 2 embeddings are not finite"):
        clustering_metrics([[1.0, np.inf], [0.0, 1.0]], [0, 0])
