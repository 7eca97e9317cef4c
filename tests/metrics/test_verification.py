"""Verification metrics against counts of pairs, scikit-learn's ROC, and known intervals."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_curve

from lossforge.metrics.verification import (
    equal_error_rate,
    lfw_accuracy,
    pair_similarities,
    roc,
    tar_at_far,
)


@pytest.fixture
def scores():
    rng = np.random.default_rng(1)
    return rng.normal(0.6, 0.3, 150).astype("float32"), rng.normal(0.0, 0.3, 900).astype("float32")


def test_pairs_are_all_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 4, 20)
    same, other = [], []
    for i, j in itertools.combinations(range(20), 2):
        cosine = x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j])
        (same if y[i] == y[j] else other).append(cosine)
    genuine, impostor = pair_similarities(x, y)
    np.testing.assert_allclose(np.sort(genuine), np.sort(same), atol=1e-6)
    np.testing.assert_allclose(np.sort(impostor), np.sort(other), atol=1e-6)


@pytest.mark.parametrize("size", [40, 400])
def test_too_many_pairs_are_drawn_at_random(size):
    y = np.arange(size) % 4
    x = np.stack([np.cos(y * 1.5), np.sin(y * 1.5)], axis=1)  # one direction an identity
    genuine, impostor = pair_similarities(x, y, most=150)
    assert len(genuine) == len(impostor) == 150
    np.testing.assert_allclose(genuine, 1.0, atol=1e-6)
    assert impostor.max() < 0.99
    assert len(np.unique(impostor.round(3))) == 3  # of the angles 1.5, 3 and 4.5


def test_the_roc_is_that_of_scikit_learn(scores):
    genuine, impostor = scores
    truth = np.repeat([1, 0], [len(genuine), len(impostor)])
    far, tar, _ = roc_curve(truth, np.concatenate(scores), drop_intermediate=False)
    found = roc(genuine, impostor)
    np.testing.assert_allclose(found[0], far, atol=1e-12)
    np.testing.assert_allclose(found[1], tar, atol=1e-12)


def test_at_the_equal_error_rate_both_errors_are_as_many(scores):
    genuine, impostor = scores
    rate = equal_error_rate(genuine, impostor)
    gaps = []
    for threshold in np.concatenate(scores):
        refused, accepted = np.mean(genuine < threshold), np.mean(impostor >= threshold)
        gaps.append((abs(refused - accepted), (refused + accepted) / 2))
    assert rate == pytest.approx(min(gaps)[1], abs=1 / len(genuine))
    assert equal_error_rate([0.1], [0.9]) == 1.0
    assert equal_error_rate([0.5, 0.5], [0.5]) == pytest.approx(0.5)


@pytest.mark.parametrize("far", [0.3, 0.1, 0.01])
def test_tar_is_the_best_that_keeps_the_rate(scores, far):
    genuine, impostor = scores
    rate = tar_at_far(genuine, impostor, far)
    best = max(
        np.mean(genuine >= t)
        for t in np.append(np.concatenate(scores), 9.0)
        if np.mean(impostor >= t) <= far
    )
    assert rate.tar == pytest.approx(best)
    assert rate.false_accepts == np.sum(impostor >= rate.threshold) <= far * len(impostor)
    assert rate.tar == np.mean(genuine >= np.float32(rate.threshold))
    interval = binomtest(round(rate.tar * 150), 150).proportion_ci(0.95, "exact")
    assert (rate.low, rate.high) == pytest.approx((interval.low, interval.high))


def test_impostors_that_tie_at_the_threshold_are_all_refused():
    rate = tar_at_far([0.9, 0.5], [0.5, 0.5, 0.1, 0.0], far=0.25)
    assert (rate.tar, rate.false_accepts) == (0.5, 0)


def test_a_rate_that_the_pairs_cannot_resolve_warns_and_bounds_it(scores):
    with pytest.warns(UserWarning, match="needs at least 1,000,000 impostor pairs"):
        rate = tar_at_far(*scores, far=1e-6)
    assert not rate.resolved and rate.false_accepts == 0
    assert rate.far_high == pytest.approx(3 / 900, rel=0.01)  # the rule of three
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tar_at_far(*scores, far=1.5 / 900).resolved


def test_lfw_accuracy_takes_each_folds_threshold_from_the_others():
    rng = np.random.default_rng(5)
    same = np.tile([True, False], 100)
    similar = np.where(same, 0.3, -0.3) + rng.normal(0, 0.4, 200)
    folds = np.repeat(np.arange(10), 20)
    right = []
    for fold in range(10):
        mine = folds == fold
        values = np.sort(similar[~mine])
        middles = [values[0] - 1, *((values[:-1] + values[1:]) / 2), values[-1] + 1]
        best = max(middles, key=lambda t: np.sum((similar[~mine] >= t) == same[~mine]))
        right.append(np.mean((similar[mine] >= best) == same[mine]))
    mean, error = lfw_accuracy(similar, same, folds)
    assert mean == pytest.approx(np.mean(right))
    assert error == pytest.approx(np.std(right, ddof=1) / np.sqrt(10))


def test_wrong_pairs_are_named():
    with pytest.raises(ValueError, match="no impostor pairs"):
        tar_at_far([0.5], [], 0.1)
    with pytest.raises(ValueError, match="NaN"):
        equal_error_rate([0.5, np.nan], [0.1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        tar_at_far([0.5], [0.1], 0.0)
    with pytest.raises(ValueError, match="two folds"):
        lfw_accuracy([0.5], [True], [0])
