"""What the conformance kit cannot see of contrastive and self-supervised losses."""

import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.losses.contrastive.prediction import sinkhorn
from lossforge.testing import gradient_of, values_of


@pytest.fixture
def views():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 4))
    return x, x + rng.normal(0.0, 0.5, x.shape)


def test_views_may_be_exchanged(views):
    for name in ("NTXent", "HardNegativeNTXent", "InfoNCE", "BarlowTwins", "VICReg"):
        loss = getattr(lossforge, name)()
        expected = values_of(loss, *views)
        np.testing.assert_allclose(values_of(loss, *views[::-1]), expected, rtol=1e-4, err_msg=name)


def test_hard_negatives_without_correction_are_ntxent(views):
    loss = lossforge.HardNegativeNTXent(tau=0.0, beta=0.0)
    expected = values_of(lossforge.NTXent(), *views)
    np.testing.assert_allclose(values_of(loss, *views), expected, rtol=1e-5)


def test_ntxent_is_finite_at_small_temperatures(views):
    for loss in (lossforge.NTXent(temperature=1e-3), lossforge.HardNegativeNTXent(1e-2)):
        assert np.all(np.isfinite(values_of(loss, *views)))
        assert np.all(np.isfinite(gradient_of(loss, *views)))


def test_ntxent_equals_the_cross_entropy_over_all_views(views):
    z = np.concatenate(views)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    logits = z @ z.T / 0.5
    np.fill_diagonal(logits, -np.inf)
    partner = np.roll(np.arange(16), 8)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert float(lossforge.NTXent()(*views)) == pytest.approx(
        -log_p[np.arange(16), partner].mean(), rel=1e-5
    )


def test_info_nce_one_way_is_cross_entropy_with_the_diagonal(views):
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in views)
    expected = values_of(lossforge.CrossEntropy(from_logits=True), np.arange(8), 20.0 * x @ y.T)
    loss = lossforge.InfoNCE(temperature=0.05, symmetric=False)
    np.testing.assert_allclose(values_of(loss, *views), expected, rtol=1e-4, atol=1e-5)


def test_siglip_does_not_couple_negatives(views):
    """Leaving out one example takes away exactly its own terms."""
    loss = lossforge.SigLIP(reduction="sum")
    pairs = sum(float(loss(views[0][[i, j]], views[1][[i, j]])) for i in range(8) for j in range(i))
    alone = sum(float(loss(views[0][[i]], views[1][[i]])) for i in range(8))
    assert float(loss(*views)) == pytest.approx(pairs - 6 * alone, rel=1e-4)


@pytest.mark.parametrize("name", ["BarlowTwins", "VICReg"])
def test_the_smaller_gram_matrix_gives_the_same(name):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 5, 12))
    wide = values_of(getattr(lossforge, name)(), x, y)
    # the same rows four times over: B > D, and population moments do not change
    x, y = np.tile(x, (4, 1)), np.tile(y, (4, 1))
    tall = values_of(getattr(lossforge, name)(), x, y)
    if name == "VICReg":
        assert wide.shape == (5,) and tall.shape == (20,)
        tolerance = 0.2  # n - 1 differs
    else:
        tolerance = 1e-4
    np.testing.assert_allclose(tall[:5], wide, rtol=tolerance)


def test_barlow_twins_of_one_example_is_finite():
    assert values_of(lossforge.BarlowTwins(), [[1.0, 2.0]], [[3.0, 4.0]]).tolist() == [2.0]


def test_vicreg_variance_keeps_collapsed_embeddings_apart():
    rng = np.random.default_rng(2)
    x = 1.0 + 1e-3 * rng.normal(size=(6, 3))
    step = gradient_of(lossforge.VICReg(invariance=0.0, covariance=0.0), x, x)
    assert np.sum(step * (x - x.mean(axis=0))) < 0  # downhill is outward


def test_sinkhorn_fills_clusters_equally():
    codes = sinkhorn_of(0.05, iterations=100)
    np.testing.assert_allclose(codes.sum(axis=0), 3.0, rtol=1e-3)


def test_sinkhorn_does_not_overflow():
    codes = sinkhorn_of(1e-4, iterations=3)
    np.testing.assert_allclose(codes.sum(axis=1), 1.0, rtol=1e-5)


def sinkhorn_of(epsilon, iterations):
    scores = np.random.default_rng(3).uniform(-1.0, 1.0, (12, 4)).astype("float32")
    scores = ops.convert_to_tensor(scores / epsilon, "float32")
    return ops.convert_to_numpy(sinkhorn(scores, np.ones(12, bool), iterations))


def test_the_target_has_no_gradient():
    x, y = np.eye(3), np.ones((3, 3))
    loss = lossforge.BYOL(reduction=None)
    for exchange in (False, True):
        step = gradient_of(_Exchanged(loss) if exchange else loss, x, y)
        assert bool(np.all(step == 0.0)) is exchange


class _Exchanged(lossforge.Loss):
    def __init__(self, inner=None, **base):
        super().__init__(**base)
        self.inner = inner or lossforge.BYOL(reduction=None)

    def get_config(self):
        return {"reduction": self.reduction}

    def call(self, y_true, y_pred):
        return self.inner(y_pred, y_true) + 0.0 * ops.sum(y_pred, axis=-1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lossforge.NTXent(temperature=0.0), "temperature"),
        (lambda: lossforge.NTXent(sigma=0.5), "decoupled"),
        (lambda: lossforge.HardNegativeNTXent(tau=1.0), "tau"),
        (lambda: lossforge.SigLIP(scale=0.0), "scale"),
        (lambda: lossforge.VICReg(variance=-1.0), "variance"),
        (lambda: lossforge.SwAV(iterations=0), "iterations"),
        (lambda: lossforge.DINO(centring="ema"), "'ema'"),
        (lambda: lossforge.NTXent()([1.0], [1.0]), r"\(batch, D\)"),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
