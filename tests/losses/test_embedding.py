"""Embedding losses: identities, and defects that other libraries have."""

import numpy as np
import pytest
from keras import ops
from oracles.embedding.distances import distance

import lossforge
from lossforge.losses.embedding.distances import DISTANCES, cosine_similarity, pairwise
from lossforge.losses.embedding.pairs import InBatch
from lossforge.testing import gradient_of, values_of

IN_BATCH = [
    cls
    for cls in lossforge.losses.LOSSES.values()
    if cls.__module__.startswith("lossforge.losses.embedding")
    and issubclass(cls, InBatch)
    and not cls.wraps
]
every = pytest.mark.parametrize("cls", IN_BATCH, ids=lambda c: c.__name__)


def batch(size=12, width=5, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return np.arange(size) % classes, rng.normal(size=(size, width))


@every
def test_class_ids_above_two_to_the_24_do_not_collide(cls):
    labels, x = batch()
    expected = values_of(cls(), labels, x)
    np.testing.assert_allclose(values_of(cls(), labels + 2**24, x), expected, rtol=1e-6)


@every
def test_column_labels_are_understood(cls):
    labels, x = batch()
    np.testing.assert_array_equal(values_of(cls(), labels[:, None], x), values_of(cls(), labels, x))


@every
def test_no_positive_pair_costs_nothing_where_pairs_are_needed(cls):
    _, x = batch()
    values = values_of(cls(), np.arange(12), x)
    assert np.all(np.isfinite(values))
    if cls.__name__ not in ("Contrastive", "Margin", "RankedList", "IntraPairVariance"):
        assert np.all(values == 0)


@every
def test_wrong_shapes_are_named(cls):
    labels, x = batch()
    with pytest.raises(ValueError, match="reads embeddings of shape"):
        cls()(labels, x[:, None])
    with pytest.raises(ValueError, match="reads class ids of shape"):
        cls()(np.eye(4)[labels], x)


def test_semi_hard_is_that_of_tensorflow_addons_on_balanced_classes():
    labels, x = batch(size=24, classes=6)
    d = np.linalg.norm(x[:, None] - x[None], axis=-1)
    total, count = 0.0, 0
    for a in range(24):
        other = [d[a, n] for n in range(24) if labels[n] != labels[a]]
        for p in range(24):
            if p != a and labels[p] == labels[a]:
                farther = [v for v in other if v > d[a, p]]
                total += max(1.0 + d[a, p] - (min(farther) if farther else max(other)), 0.0)
                count += 1
    assert float(lossforge.Triplet()(labels, x)) == pytest.approx(total / count, rel=1e-5)


def test_semi_hard_negatives_are_strictly_farther_where_distances_tie():
    labels, x = np.array([0, 0, 1, 1]), np.array([[0.0], [1.0], [-1.0], [1.5]])
    # Anchor 0: the positive and a negative both at 1, so that the negative at 1.5 is the one.
    assert values_of(lossforge.Triplet(), labels, x)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("strategy", ["all", "semi-hard", "hard"])
def test_triplets_of_a_large_batch_fit_in_memory(strategy):
    labels, x = batch(size=1024, width=8, classes=256)
    loss = lossforge.Triplet(strategy=strategy, margin=0.3)
    assert np.isfinite(float(loss(labels, x)))  # 1024^3 floats would be 4 GB


def test_all_triplets_keep_their_digits_far_from_the_origin():
    labels, x = batch(size=64, classes=8)
    exact = float(lossforge.Triplet(strategy="all", dtype="float64")(labels, x))
    moved = float(lossforge.Triplet(strategy="all")(labels, x + 1000.0))
    assert moved == pytest.approx(exact, rel=1e-3)


def test_circle_holds_its_weights_constant_unless_told_otherwise():
    labels, x = batch()
    paper = gradient_of(lossforge.Circle(), labels, x)
    keras_like = gradient_of(lossforge.Circle(hold_weights=False), labels, x)
    assert np.abs(paper - keras_like).max() > 1e-2
    assert lossforge.Circle().detached and not lossforge.Circle(hold_weights=False).detached


def test_multi_similarity_is_finite_in_half_precision():
    labels, x = batch()
    half = ops.convert_to_tensor(x, "float16")
    assert np.isfinite(float(lossforge.MultiSimilarity(dtype="mixed_float16")(labels, half)))


def test_soft_neighbours_keep_their_gradient_at_distance_a_thousand():
    labels, x = batch()
    gradient = gradient_of(lossforge.NCA(), labels, 1e3 * x)
    assert np.all(np.isfinite(gradient)) and np.abs(gradient).max() > 1.0


def test_sup_con_in_and_out_agree_on_one_positive():
    labels, x = batch(size=8, classes=4)
    out, inside = lossforge.SupCon(), lossforge.SupCon(positives="in")
    np.testing.assert_allclose(values_of(out, labels, x), values_of(inside, labels, x), rtol=1e-5)


def test_sup_con_is_nca_of_cosines():
    labels, x = batch(size=8, classes=4)
    nca = lossforge.NCA(scale=10.0, distance="cosine")
    np.testing.assert_allclose(
        values_of(lossforge.SupCon(temperature=0.1), labels, x),
        values_of(nca, labels, x),
        rtol=1e-4,
    )


def test_margin_zero_is_cross_entropy_of_scaled_cosines():
    rng = np.random.default_rng(0)
    ids, cosines = rng.integers(0, 5, 6), rng.uniform(-1, 1, (6, 5))
    expected = values_of(lossforge.CrossEntropy(from_logits=True), ids, 16.0 * cosines)
    for loss in (
        lossforge.CosFace(margin=0.0, scale=16.0),
        lossforge.ArcFace(margin=0.0, scale=16.0),
        lossforge.SphereFace(margin=1, scale=16.0),
        lossforge.ProxyNCA(scale=8.0),
    ):
        np.testing.assert_allclose(values_of(loss, ids, cosines), expected, rtol=1e-5, atol=1e-6)


def test_arc_face_still_pulls_a_target_on_the_far_side():
    gradient = gradient_of(lossforge.ArcFace(), np.array([0]), np.array([[-0.99, 0.5]]))
    assert gradient[0, 0] == pytest.approx(-64.0, rel=1e-3)


def test_one_hot_labels_of_margin_softmax_are_understood():
    rng = np.random.default_rng(0)
    ids, cosines = rng.integers(0, 5, 6), rng.uniform(-1, 1, (6, 5))
    for loss in (lossforge.ArcFace(), lossforge.ProxyAnchor(), lossforge.CurricularFace()):
        one_hot = values_of(loss, np.eye(5)[ids], cosines)
        np.testing.assert_allclose(one_hot, values_of(loss, ids, cosines), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(DISTANCES))
def test_distance_of_two_matrices_is_the_block_of_the_whole(name):
    _, x = batch()
    if name in ("poincare", "haversine"):  # points of the unit ball; latitude and longitude
        x = 0.4 * x[:, :2] / np.abs(x).max()
    expected = [[distance(a, b, name) for b in x] for a in x]
    x = ops.convert_to_tensor(x, "float64")
    whole = ops.convert_to_numpy(pairwise(x, distance=name))
    np.testing.assert_allclose(whole, expected, rtol=1e-6, atol=1e-6)
    block = ops.convert_to_numpy(pairwise(x[:5], x[5:], distance=name))
    np.testing.assert_allclose(block, whole[:5, 5:], rtol=1e-6, atol=1e-6)
    assert name == "dot" or np.all(np.abs(np.diag(whole)) < 1e-6)


@pytest.mark.parametrize("name", ["poincare", "haversine", "manhattan"])
def test_equal_points_have_a_finite_slope(name):
    x = np.full((3, 2), 0.3)
    assert np.all(np.isfinite(gradient_of(lossforge.Contrastive(distance=name), [0, 0, 1], x)))


def test_cosine_with_the_zero_vector_is_zero():
    x = ops.convert_to_tensor([[0.0, 0.0], [1e-30, 0.0], [3.0, 4.0]], "float32")
    cosines = ops.convert_to_numpy(cosine_similarity(x))
    np.testing.assert_allclose(cosines, [[0, 0, 0], [0, 1, 0.6], [0, 0.6, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lossforge.Triplet(strategy="hardest"), "strategy must be .* got 'hardest'"),
        (lambda: lossforge.Triplet(margin=-1.0), "margin must be a number at least 0, got -1.0"),
        (lambda: lossforge.Triplet(margin="soft", strategy="all"), "needs strategy 'semi-hard'"),
        (lambda: lossforge.Triplet(distance="l2"), "distance must be one of .* got 'l2'"),
        (lambda: lossforge.SupCon(positives="both"), "'out' or 'in', got 'both'"),
        (lambda: lossforge.SupCon(temperature=0.0), "temperature must be a number .* got 0.0"),
        (lambda: lossforge.Angular(alpha=90.0), "alpha must be a number in .* got 90.0"),
        (lambda: lossforge.SphereFace(margin=2.5), "must be a whole number, got 2.5"),
        (lambda: lossforge.RankedList(margin=1.5), "margin must be a number in .* got 1.5"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
