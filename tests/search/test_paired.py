"""Intervals of paired differences, against a table of Student's t and against the bootstrap."""

import math

import numpy as np
import pytest
import scipy.stats

from lossforge.search.paired import Difference, paired_difference, sentence

# two-sided 95 % points of Student's t by degrees of freedom, from a printed table
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_interval_is_students(rng):
    for freedom, point in STUDENT.items():
        ours, theirs = rng.normal(0.5, 0.1, freedom + 1), rng.normal(0.4, 0.1, freedom + 1)
        differences = ours - theirs
        half = point * np.std(differences, ddof=1) / np.sqrt(freedom + 1)
        found = paired_difference(list(ours), list(theirs))
        assert found.mean == pytest.approx(np.mean(differences))
        assert found.low == pytest.approx(np.mean(differences) - half, abs=2e-4)
        assert found.high == pytest.approx(np.mean(differences) + half, abs=2e-4)


def test_it_agrees_with_scipy(rng):
    ours, theirs = rng.normal(size=7), rng.normal(size=7)
    expected = scipy.stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    found = paired_difference(list(ours), list(theirs))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_it_agrees_with_the_bootstrap_of_many_pairs(rng):
    ours = rng.gamma(2.0, size=400)
    theirs = ours * 0.9 + rng.normal(0.0, 0.2, size=400)
    expected = scipy.stats.bootstrap(
        (ours - theirs,), np.mean, n_resamples=2000, rng=np.random.default_rng(0)
    ).confidence_interval
    found = paired_difference(list(ours), list(theirs))
    assert found.low == pytest.approx(expected.low, abs=0.01)
    assert found.high == pytest.approx(expected.high, abs=0.01)


def test_it_covers_the_truth_as_often_as_it_says(rng):
    hits = 0
    for _ in range(2000):
        found = paired_difference(list(rng.normal(0.3, 1.0, 5)), [0.0] * 5)
        hits += found.low <= 0.3 <= found.high
    assert 0.93 < hits / 2000 < 0.97


def test_what_seeds_share_cancels(rng):
    shared = rng.normal(0.0, 10.0, 6)
    found = paired_difference(list(shared + 1.0 + rng.normal(0, 0.01, 6)), list(shared))
    assert found.decided == 1 and found.high - found.low < 0.1


def test_one_pair_decides_nothing():
    found = paired_difference([1.0], [0.0])
    assert found.mean == 1.0 and math.isinf(found.high) and found.decided == 0
    assert "one seed has no interval" in sentence("AP", found, "Focal()", True, False)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="got 0 and 0"):
        paired_difference([], [])


@pytest.mark.parametrize(
    ("difference", "maximize", "share", "expected"),
    [
        (Difference(0.021, 0.008, 0.033, 5), True, True, "better than G(): by 2.1 points of m"),
        (Difference(0.021, 0.008, 0.033, 5), False, False, "worse than G(): by 0.0210 in m"),
        (Difference(-0.021, -0.033, -0.008, 5), False, False, "better than G(): by 0.0210 in m"),
        (Difference(0.001, -0.004, 0.006, 5), True, True, "no better than G(): difference 0.1"),
    ],
)
def test_the_sentence_follows_the_interval(difference, maximize, share, expected):
    assert sentence("m", difference, "G()", maximize, share).startswith(expected)
