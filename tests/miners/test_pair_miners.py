"""Miners against their definitions, pair by pair, and inside a loss."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from oracles.embedding.distances import cosine, distance, partners

import lossforge
from lossforge.miners.pair_miners import (
    BatchEasyHardMiner,
    DistanceWeightedMiner,
    HardestShareMiner,
    MultiSimilarityMiner,
    PairMarginMiner,
    RandomMiner,
)
from lossforge.testing import gradient_of, values_of

LABELS = np.array([3, 3, 3, 1, 1, 8, 3, 1])


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(8, 4))


def mined(miner, x, counts=None, labels=LABELS):
    """(set of positive pairs, set of negative pairs)."""
    masks = (ops.convert_to_numpy(m) for m in miner(labels, x.astype("float32"), counts))
    return tuple({(int(i), int(j)) for i, j in np.argwhere(m)} for m in masks)


@pytest.mark.parametrize("positives", ["easy", "hard", "all"])
@pytest.mark.parametrize("negatives", ["easy", "semi-hard", "hard", "all"])
def test_batch_easy_hard_chooses_as_defined(x, positives, negatives):
    expected_p, expected_n = set(), set()
    for i in range(8):
        same, other = partners(LABELS, i)
        to = {j: distance(x[i], x[j], "euclidean") for j in same + other}
        if not same:
            continue
        p = {"easy": [min(same, key=to.get)], "hard": [max(same, key=to.get)], "all": same}
        chosen_p = p[positives]
        beyond = [n for n in other if to[n] > max(to[j] for j in chosen_p)]
        n = {
            "easy": [max(other, key=to.get)],
            "hard": [min(other, key=to.get)],
            "semi-hard": [min(beyond, key=to.get)] if beyond else [],
            "all": other,
        }[negatives]
        if n:
            expected_p |= {(i, j) for j in chosen_p}
            expected_n |= {(i, j) for j in n}
    assert mined(BatchEasyHardMiner(positives, negatives), x) == (expected_p, expected_n)


def test_multi_similarity_chooses_as_defined(x):
    expected_p, expected_n = set(), set()
    for i in range(8):
        same, other = partners(LABELS, i)
        s = {j: cosine(x[i], x[j]) for j in same + other}
        if same:
            expected_p |= {(i, p) for p in same if s[p] - 0.3 < max(s[n] for n in other)}
            expected_n |= {(i, n) for n in other if s[n] + 0.3 > min(s[p] for p in same)}
    assert mined(MultiSimilarityMiner(0.3), x) == (expected_p, expected_n)


def test_pair_margin_chooses_as_defined(x):
    expected_p, expected_n = set(), set()
    for i in range(8):
        same, other = partners(LABELS, i)
        expected_p |= {(i, p) for p in same if distance(x[i], x[p], "chord") > 1.2}
        expected_n |= {(i, n) for n in other if distance(x[i], x[n], "chord") < 1.3}
    assert mined(PairMarginMiner(1.2, 1.3, distance="chord"), x) == (expected_p, expected_n)
    assert expected_p and expected_n


def test_hardest_share_keeps_the_farthest_positives_and_nearest_negatives(x):
    expected = []
    for kind, sign in ((0, -1), (1, 1)):
        both = [(i, j) for i in range(8) for j in partners(LABELS, i)[kind]]
        both.sort(key=lambda ij, s=sign: s * distance(x[ij[0]], x[ij[1]], "euclidean"))
        threshold = both[math.ceil(0.3 * len(both)) - 1]
        limit = sign * distance(x[threshold[0]], x[threshold[1]], "euclidean")
        expected.append(
            {(i, j) for i, j in both if sign * distance(x[i], x[j], "euclidean") <= limit + 1e-9}
        )
    assert mined(HardestShareMiner(0.3), x) == tuple(expected)


def test_distance_weighted_draws_by_one_over_the_density():
    angles = np.array([0.0, 0.1, 0.8, 1.2, 1.5])
    x = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=-1)
    labels = np.array([0, 0, 1, 2, 3])
    miner = DistanceWeightedMiner(cutoff=0.5, farthest=1.4, seed=0)
    drawn = np.zeros(5)
    for _ in range(600):
        _, negative = miner(labels, x)
        drawn += ops.convert_to_numpy(negative)[0]
    d = 2 * np.sin(angles[2:] / 2)
    weight = 1 / (d**2 * np.sqrt(1 - d**2 / 4))
    np.testing.assert_allclose(drawn[2:] / 600, weight / weight.sum(), atol=0.06)


def test_distance_weighted_does_not_overflow_in_high_dimensions():
    x = np.random.default_rng(0).normal(size=(8, 2048))
    _, negative = mined(DistanceWeightedMiner(farthest=2.0, seed=0), x)
    assert len(negative) == sum(len(partners(LABELS, i)[0]) for i in range(8))


MINERS = [
    BatchEasyHardMiner(),
    BatchEasyHardMiner("easy", "semi-hard"),
    MultiSimilarityMiner(0.2),
    PairMarginMiner(1.0, 2.0),
    HardestShareMiner(0.25),
    DistanceWeightedMiner(farthest=2.0, seed=3),
]
every = pytest.mark.parametrize("miner", MINERS, ids=lambda m: type(m).__name__)


@every
def test_miners_only_take_away(miner, x):
    positive, negative = mined(miner, x)
    assert positive <= {(i, j) for i in range(8) for j in partners(LABELS, i)[0]}
    assert negative <= {(i, j) for i in range(8) for j in partners(LABELS, i)[1]}


@every
def test_examples_that_do_not_count_are_in_no_pair(miner, x):
    positive, negative = mined(miner, x, counts=np.arange(8) != 1)
    assert not any(1 in pair for pair in positive | negative)


@every
def test_degenerate_batches_leave_no_pairs_where_there_are_none(miner, x):
    assert mined(miner, x[:1], labels=LABELS[:1]) == (set(), set())
    assert mined(miner, x, labels=np.zeros(8, int))[1] == set()
    assert mined(miner, x, labels=np.arange(8))[0] == set()


@every
def test_config_rebuilds_an_equal_miner(miner):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(miner))
    assert type(again) is type(miner) and again.get_config() == miner.get_config()


def test_batch_hard_mining_makes_triplet_batch_hard(x):
    loss = lossforge.Mined(lossforge.Triplet(strategy="all"), BatchEasyHardMiner())
    expected = lossforge.Triplet(strategy="hard")
    np.testing.assert_allclose(
        values_of(loss, LABELS, x), values_of(expected, LABELS, x), rtol=1e-5
    )
    np.testing.assert_allclose(
        gradient_of(loss, LABELS, x), gradient_of(expected, LABELS, x), rtol=1e-4, atol=1e-6
    )


def test_multi_similarity_is_its_miner_and_the_loss_without_mining(x):
    plain = lossforge.MultiSimilarity(epsilon=None)
    loss = lossforge.Mined(plain, MultiSimilarityMiner(0.1))
    expected = values_of(lossforge.MultiSimilarity(epsilon=0.1), LABELS, x)
    np.testing.assert_allclose(values_of(loss, LABELS, x), expected, rtol=1e-6)


def test_mined_rebuilds_from_its_config(x):
    loss = lossforge.Mined(lossforge.Contrastive(margin=2.0), HardestShareMiner(0.5))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()
    assert np.array_equal(values_of(again, LABELS, x), values_of(loss, LABELS, x))


def test_mined_leaves_out_examples_of_weight_zero(x):
    loss = lossforge.Mined(lossforge.Contrastive(margin=2.0), HardestShareMiner(0.5))
    keep = np.arange(8) != 1
    actual = values_of(loss, LABELS, x, keep.astype(float))
    np.testing.assert_allclose(actual[keep], values_of(loss, LABELS[keep], x[keep]), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BatchEasyHardMiner("nearest"), "positives must be .* got 'nearest'"),
        (lambda: BatchEasyHardMiner("hard", "soft"), "negatives must be .* got 'soft'"),
        (lambda: PairMarginMiner(distance="l3"), "distance must be one of .* got 'l3'"),
        (lambda: HardestShareMiner(0.0), "keep must be a number in .* got 0.0"),
        (lambda: lossforge.Mined(lossforge.Focal(), PairMarginMiner()), "in-batch loss"),
        (lambda: lossforge.Mined(lossforge.NPair(), "hard"), "must be a lossforge Miner"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_random_mining_takes_each_pair_as_often_as_any_other():
    labels = np.array([0, 0, 0, 1, 1, 2])
    miner = RandomMiner(seed=0)
    counts = np.zeros((2, 6, 6))
    for _ in range(300):
        positive, negative = miner(labels, np.zeros((6, 2)))
        counts += np.stack([np.asarray(positive), np.asarray(negative)])
    assert (counts[:, :5].sum(axis=-1) == 300).all()  # one of each an anchor
    assert (counts[:, 5] == 0).all()  # without a positive there is no negative
    np.testing.assert_allclose(counts[0, 0], [0, 150, 150, 0, 0, 0], atol=40)
    np.testing.assert_allclose(counts[1, 0], [0, 0, 0, 100, 100, 100], atol=40)
