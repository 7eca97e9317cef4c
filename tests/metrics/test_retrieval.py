"""Retrieval metrics against loops over one query at a time, written from the definitions."""

import tracemalloc

import numpy as np
import pytest

from lossforge.metrics.retrieval import retrieval_metrics


def by_loops(queries, query_labels, references, reference_labels, ks, alone):
    def cosine(a, b):
        return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))

    rows = []
    for q, (query, label) in enumerate(zip(queries, query_labels, strict=True)):
        others = [n for n in range(len(references)) if not (alone and n == q)]
        others.sort(key=lambda n: (-cosine(query, references[n]), reference_labels[n] == label))
        right = [reference_labels[n] == label for n in others]
        many = sum(right)
        if not many:
            continue
        row = {f"recall@{k}": float(any(right[:k])) for k in ks}
        row["precision@1"] = float(right[0])
        row["r_precision"] = sum(right[:many]) / many
        average = 0.0
        for i in range(many):
            if right[i]:
                average += sum(right[: i + 1]) / (i + 1)
        row["map@r"] = average / many
        rows.append(row)
    return {name: np.mean([row[name] for row in rows]) for name in rows[0]}


@pytest.fixture
def drawn():
    rng = np.random.default_rng(3)
    labels = np.append(rng.integers(0, 6, 40), [77])  # the last identity has one image only
    return rng.normal(size=(41, 3)) + 0.5 * (labels % 3)[:, None], labels


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_each_query_is_searched_among_the_others(drawn, chunk):
    x, y = drawn
    expected = by_loops(x, y, x, y, (1, 2, 10), alone=True)
    assert retrieval_metrics(x, y, ks=(1, 2, 10), chunk=chunk) == pytest.approx(expected)


@pytest.mark.parametrize("chunk", [None, 5])
def test_queries_are_searched_among_references(drawn, chunk):
    x, y = drawn
    expected = by_loops(x[:15], y[:15], x[15:], y[15:], (1, 40), alone=False)
    found = retrieval_metrics(x[:15], y[:15], x[15:], y[15:], ks=(1, 40), chunk=chunk)
    assert found == pytest.approx(expected)


def test_only_the_direction_counts(drawn):
    x, y = drawn
    longer = x * np.linspace(0.1, 9.0, len(x))[:, None]
    assert retrieval_metrics(longer, y) == pytest.approx(retrieval_metrics(x, y))


def test_equal_embeddings_score_nothing():
    found = retrieval_metrics(np.ones((12, 4)), np.repeat([0, 1, 2], 4))
    assert set(found.values()) == {0.0}


def test_ties_at_the_last_place_are_searched_too():
    x = np.repeat([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], [2, 5, 3], axis=0)  # five equal ones
    y = np.array([0, 0, 1, 1, 1, 1, 1, 2, 2, 2])
    expected = by_loops(x, y, x, y, (1, 3), alone=True)
    assert retrieval_metrics(x, y, ks=(1, 3)) == pytest.approx(expected)


def test_perfect_embeddings_score_one():
    found = retrieval_metrics(np.repeat(np.eye(3), 4, axis=0), np.repeat([0, 1, 2], 4))
    assert set(found.values()) == {1.0}


def test_identities_of_one_image_are_not_asked_for():
    assert np.isnan(retrieval_metrics(np.eye(3), [0, 1, 2])["recall@1"])


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 of 2 queries are not finite"):
        retrieval_metrics([[1.0, np.nan], [0.0, 1.0]], [0, 0])
    with pytest.raises(ValueError, match="one label each"):
        retrieval_metrics(np.eye(3), [0, 1])


@pytest.mark.slow
def test_many_are_searched_among_many_in_chunks():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2000, 20_000)
    x = (
        rng.normal(size=(20_000, 128)).astype("float32")
        + 0.3 * rng.normal(size=(2000, 128))[labels]
    )
    tracemalloc.start()
    found = retrieval_metrics(x, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.0e9  # of 1.6e9 that all similarities would take, and as much again to sort
    some = rng.choice(20_000, 500, replace=False)
    whole = retrieval_metrics(x[some], labels[some], chunk=500)
    assert retrieval_metrics(x[some], labels[some], chunk=17) == pytest.approx(whole)
    assert 0 < found["map@r"] <= found["r_precision"] <= found["recall@1"] <= found["recall@5"] <= 1
