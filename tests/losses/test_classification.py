"""Labels: identities, optima that searched losses have, and what peers get wrong."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy.optimize import minimize_scalar
from scipy.special import lambertw

import lossforge
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(11)
IDS, X = RNG.integers(0, 4, 6), RNG.normal(0.0, 2.0, (6, 4))
MULTI = RNG.integers(0, 2, (6, 4)).astype(float)
MULTI[0], MULTI[1] = 0.0, 1.0


def same(one, other, y_true, y_pred, rtol=1e-5):
    expected = values_of(other, y_true, y_pred)
    np.testing.assert_allclose(values_of(one, y_true, y_pred), expected, rtol=rtol, atol=1e-6)


def ce(**arguments):
    return lossforge.CrossEntropy(from_logits=True, **arguments)


@pytest.mark.parametrize(
    ("loss", "other"),
    [
        (lossforge.Poly1(epsilon=0.0, from_logits=True), ce()),
        (lossforge.Poly1(0.0, gamma=2.0, from_logits=True), lossforge.Focal(from_logits=True)),
        (lossforge.SearchSoftmax(a=0.0, from_logits=True), ce()),
        (lossforge.SparseLSR(label_smoothing=0.0, from_logits=True), ce()),
        (lossforge.Entmax(alpha=1.0), ce()),
        (lossforge.ConfidencePenalty(beta=0.0, from_logits=True), ce()),
        (lossforge.NormalisedFocal(gamma=0.0, from_logits=True), ce()),
        (lossforge.MMCE(weight=0.0, from_logits=True), ce()),
        (lossforge.KLDivergence(from_logits=True), ce()),
        (
            lossforge.AsymmetricSingleLabel(0.0, 0.0, label_smoothing=0.1, from_logits=True),
            ce(label_smoothing=0.1),
        ),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_special_cases_of_exclusive_classes(loss, other):
    same(loss, other, IDS, X)
    same(loss, other, np.eye(4)[IDS], X)


@pytest.mark.parametrize(
    ("loss", "other"),
    [
        (lossforge.Asymmetric(0.0, 0.0, clip=0.0, from_logits=True), ce(task="multilabel")),
        (
            lossforge.Asymmetric(2.0, 2.0, clip=0.0, from_logits=True),
            lossforge.Focal(task="multilabel", from_logits=True),
        ),
        (
            lossforge.ReducedFocal(gamma=0.0, task="multilabel", from_logits=True),
            ce(task="multilabel"),
        ),
        (lossforge.ThresholdedCrossEntropy(from_logits=True), ce(task="multilabel")),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_special_cases_of_independent_classes(loss, other):
    same(loss, other, MULTI, X)


def test_hinge_agrees_with_keras():
    for power, theirs in ((1.0, keras.losses.Hinge()), (2.0, keras.losses.SquaredHinge())):
        ours = lossforge.Hinge(power=power, task="multilabel")
        assert float(ours(MULTI, X)) == pytest.approx(float(theirs(MULTI, X)), rel=1e-5)
        signed = lossforge.Hinge(power=power, task="multilabel", signed=True)
        assert float(signed(2 * MULTI - 1, X)) == pytest.approx(float(ours(MULTI, X)), rel=1e-5)
    # Keras takes 0 for a rival too: equal for positive scores only, while ours ignores a shift
    theirs = keras.losses.CategoricalHinge(reduction=None)(np.eye(4)[IDS], X + 10.0)
    np.testing.assert_allclose(values_of(lossforge.Hinge(), IDS, X), theirs, rtol=1e-4)


def test_hinge_reads_soft_labels_as_a_mixture():
    loss = lossforge.Hinge()
    mixed = float(loss([[0.25]], [[0.3]]))
    expected = 0.25 * float(loss([[1.0]], [[0.3]])) + 0.75 * float(loss([[0.0]], [[0.3]]))
    assert mixed == pytest.approx(expected, rel=1e-6)


def test_kl_divergence_does_not_raise_zero_targets():
    y, p = [[1.0, 0.0, 0.0]], [[0.5, 0.25, 0.25]]
    assert float(lossforge.KLDivergence()(y, p)) == pytest.approx(math.log(2), rel=1e-6)
    tiny = np.array([[1.0, 1e-9]])
    value = float(lossforge.KLDivergence(dtype="float64")(tiny, [[0.5, 0.5]]))
    assert value == pytest.approx(math.log(2) + 1e-9 * math.log(2e-9), abs=1e-12)


def test_kl_divergence_reads_logarithms():
    y = RNG.dirichlet(np.ones(4), 6)
    plain = lossforge.KLDivergence(from_logits=True)
    with np.errstate(divide="ignore"):
        y[0] = [0.5, 0.5, 0.0, 0.0]
        logs = np.log(y)
    expected = values_of(plain, y, X)
    actual = values_of(lossforge.KLDivergence(log_targets=True, from_logits=True), logs, X)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_asymmetric_keeps_small_epsilon_out_of_half_precision():
    x = ops.cast(ops.convert_to_tensor([[30.0, -30.0]]), "float16")
    loss = lossforge.Asymmetric(from_logits=True, dtype="mixed_float16")
    for y in ([[1.0, 0.0]], [[0.0, 1.0]]):
        assert np.all(np.isfinite(values_of(loss, y, x)))
        assert np.all(np.isfinite(gradient_of(loss, y, x)))


def test_asymmetric_clip_drops_easy_negatives():
    loss = lossforge.Asymmetric(clip=0.1)
    assert np.all(gradient_of(loss, [[0.0]], np.array([[0.09]])) == 0)
    assert np.all(gradient_of(loss, [[0.0]], np.array([[0.3]])) > 0)


def test_multi_label_margin_and_multi_positive_do_not_build_pairs():
    y, x = (RNG.uniform(size=(2, 100_000)) < 0.01).astype(float), RNG.normal(size=(2, 100_000))
    for loss in (lossforge.MultiLabelMargin(), lossforge.MultiPositive(from_logits=True)):
        assert np.all(np.isfinite(values_of(loss, y, x)))


def test_examples_without_positives_or_negatives_have_no_ranking_loss():
    for loss in (lossforge.MultiLabelMargin(), lossforge.MultiPositive(from_logits=True)):
        assert np.all(values_of(loss, MULTI[:2], X[:2]) == 0)
        assert np.all(gradient_of(loss, MULTI[:2], X[:2]) == 0)
    nothing = lossforge.TwoWay(from_logits=True)
    assert np.all(values_of(nothing, np.zeros((3, 4)), X[:3]) == 0)


def test_gaussian_focal_takes_peaks_from_a_threshold_and_counts_them():
    y, p = np.array([[[0.8], [0.2], [0.9]]]), np.full((1, 3, 1), 0.5)
    parts = np.array([0.25, 0.8**4 * 0.25, 0.25]) * math.log(2)
    loss = lossforge.GaussianFocal(peak=0.7)
    assert float(loss(y, p)) == pytest.approx(parts.sum() / 2, rel=1e-5)
    assert float(loss(y, p, [[0.0, 1.0, 1.0]])) == pytest.approx(parts[1:].sum() * 2 / 3, rel=1e-5)
    plain = lossforge.GaussianFocal(peak=0.7, per_peak=False)
    np.testing.assert_allclose(values_of(plain, y, p)[0], parts, rtol=1e-5)


def test_distribution_focal_reaches_the_last_bin_and_not_past_it():
    loss = lossforge.DistributionFocal()
    row = [[[0.1, 0.2, 0.7]]]
    assert float(loss([[2.0]], row)) == pytest.approx(-math.log(0.7), rel=1e-5)
    assert float(loss([[9.0]], row)) == pytest.approx(-math.log(0.7), rel=1e-5)
    assert float(loss([[-1.0]], row)) == pytest.approx(-math.log(0.1), rel=1e-5)


def test_entmax_gives_zeros_and_a_gradient_of_p_minus_y():
    x = np.array([[1.0, 0.9, -2.0]])
    gradient = gradient_of(lossforge.Entmax(alpha=2.0), [0], x)
    np.testing.assert_allclose(gradient, [[0.55 - 1, 0.45, 0.0]], atol=1e-5)
    assert float(lossforge.Entmax(alpha=1.5)([0], [[4.0, 1.9]])) == 0
    soft = values_of(lossforge.Entmax(alpha=2.0), np.array([[0.55, 0.45, 0.0]]), x)
    np.testing.assert_allclose(soft, 0.0, atol=1e-6)


def test_weighted_kappa_is_that_of_hard_predictions():
    labels, predicted = np.array([0, 1, 2, 2, 1, 0]), np.array([0, 2, 2, 1, 1, 0])
    # observed 2 pairs one grade off, of 6; chance from the margins (2, 2, 2) and (2, 2, 2)
    chance = sum(2 * 2 * (i - j) ** 2 for i, j in itertools.product(range(3), repeat=2)) / 6
    loss = float(lossforge.WeightedKappa()(labels, np.eye(3)[predicted]))
    assert loss == pytest.approx(2 / chance, rel=1e-5)


def test_mcc_of_one_sided_batches_is_one_with_finite_gradient():
    for y in (np.ones((4, 1)), np.zeros((4, 1))):
        for p in (y, np.full((4, 1), 0.5)):
            assert np.all(values_of(lossforge.MCC(), y, p) == 1)
            assert np.all(np.isfinite(gradient_of(lossforge.MCC(), y, p)))


def test_pearson_does_not_see_unit_or_offset():
    y, x = RNG.normal(size=(8, 2)), RNG.normal(size=(8, 2))
    expected = values_of(lossforge.Pearson(), y, x)
    again = values_of(lossforge.Pearson(dtype="float64"), 1e9 * y + 3, 1e-9 * x - 2e-9)
    np.testing.assert_allclose(again, expected, rtol=1e-4, atol=1e-5)
    r = np.mean([np.corrcoef(y[:, c], x[:, c])[0, 1] for c in range(2)])
    assert expected.mean() == pytest.approx(1 - r, rel=1e-5)


def test_aug_mix_charges_views_that_disagree():
    alike = np.repeat(X[:, None], 3, axis=1)
    apart = np.stack([X, -X, X], axis=1)
    loss = lossforge.AugMix(from_logits=True)
    same(loss, lossforge.AugMix(weight=0.0, from_logits=True), IDS, alike)
    assert np.all(values_of(loss, IDS, apart) > values_of(loss, IDS, alike) + 0.1)


def optimum(loss, classes):
    """The probability of the target at which a loss is least, the rest spread evenly."""

    def value(p):
        row = np.full(classes, (1 - p) / (classes - 1))
        row[0] = p
        return float(loss([0], row[None]))

    return minimize_scalar(value, bounds=(1e-3, 1 - 1e-3), method="bounded").x


@pytest.mark.parametrize(
    ("loss", "classes", "expected"),
    [
        (lossforge.Baikal, 4, 0.5),
        (lossforge.Baikal, 100, 0.1),
        (lossforge.NGL, 2, 0.566),
        (lossforge.NGL, 10, 0.391),
        (lossforge.NGL, 100, 0.362),
        (lambda **k: lossforge.SparseLSR(label_smoothing=0.25, **k), 10, 0.775),
        (lambda **k: lossforge.CrossEntropy(label_smoothing=0.25, **k), 10, 0.775),
    ],
)
def test_optimum_is_the_one_on_the_label(loss, classes, expected):
    assert optimum(loss(dtype="float64"), classes) == pytest.approx(expected, abs=5e-3)


def test_sparse_label_smoothing_is_label_smoothing_where_the_rest_is_even():
    p = np.array([[0.7, 0.1, 0.1, 0.1]])
    arguments = {"label_smoothing": 0.2}
    same(lossforge.SparseLSR(**arguments), lossforge.CrossEntropy(**arguments), [0], p)


def test_searched_detection_loss_weighs_by_the_sine_of_the_overlap():
    y, row = np.array([[0.0, 0.6, 0.0]]), np.array([[0.2, 0.5, 0.3]])
    expected = (1 + math.sin(0.6)) * math.log(2)
    assert float(lossforge.CSEClassificationA()(y, row)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("lam", [0.25, 1.0, 10.0])
def test_super_loss_is_the_least_over_confidences(lam):
    y, x = np.zeros((7, 1)), np.array([[0.5], [0.6], [1.0], [1.5], [2.0], [10.0], [1e4]])
    plain = values_of(lossforge.MAE(), y, x)
    wrapped = lossforge.SuperLoss(lossforge.MAE(), tau=1.0, lam=lam)
    beta = np.maximum((plain - 1.0) / lam, -2 / math.e)
    s = np.exp(-lambertw(beta / 2).real)
    expected = (plain - 1.0) * s + lam * np.log(s) ** 2
    np.testing.assert_allclose(values_of(wrapped, y, x), expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(gradient_of(wrapped, y, x)[:, 0], s, rtol=1e-3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(wrapped))
    assert again.get_config() == wrapped.get_config()
    assert values_of(wrapped, y[:2], np.array([[1.0], [np.nan]]), [1.0, 0.0])[1] == 0


def test_super_loss_takes_tau_from_the_number_of_classes():
    wrapped = lossforge.SuperLoss(ce())
    assert float(wrapped([0], np.zeros((1, 4)))) == pytest.approx(0.0, abs=1e-6)


def test_ctc_sums_over_all_alignments():
    p = np.array([[[0.6, 0.4], [0.3, 0.7], [0.5, 0.5]]])
    a, b = p[0, :, 0], p[0, :, 1]
    once = 1 - a.prod() - b[0] * a[1] * b[2]  # all but no label, and the label twice
    assert float(lossforge.CTC()([[1]], p)) == pytest.approx(-math.log(once), rel=1e-5)


def test_ctc_agrees_with_keras():
    labels, x = RNG.integers(1, 5, (4, 3)), RNG.normal(size=(4, 9, 5))
    theirs = keras.losses.CTC(reduction=None)(labels, x)
    ours = values_of(lossforge.CTC(from_logits=True), labels, x)
    np.testing.assert_allclose(ours, ops.convert_to_numpy(theirs), rtol=1e-4)


def test_ctc_labels_that_do_not_fit_do_not_count():
    x = RNG.normal(size=(2, 3, 4))
    labels = np.array([[1, 1, 2], [1, 2, 3]])  # the first needs a fourth frame
    loss = lossforge.CTC(from_logits=True)
    values = values_of(loss, labels, x)
    assert values[0] == 0 and values[1] > 0
    assert float(loss(labels, x)) == pytest.approx(values[1], rel=1e-5)
    gradient = gradient_of(loss, labels, x)
    assert np.all(gradient[0] == 0) and np.any(gradient[1] != 0)


def test_ctc_frames_that_are_masked_do_not_exist():
    x, labels = RNG.normal(size=(2, 7, 4)), np.array([[1, 2], [3, -1]])
    loss = lossforge.CTC(from_logits=True, reduction=None)
    expected = [float(loss(labels[:1], x[:1, :4])[0]), float(loss(labels[1:], x[1:, :6])[0])]
    x[0, 4:], x[1, 6:] = np.nan, 1e9
    frames = np.arange(7) < np.array([[4], [6]])
    y_pred = ops.convert_to_tensor(x, "float32")
    y_pred._keras_mask = ops.convert_to_tensor(frames)
    np.testing.assert_allclose(ops.convert_to_numpy(loss(labels, y_pred)), expected, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compiles for TensorFlow")
def test_ctc_has_a_gradient_when_compiled():
    import tensorflow as tf

    labels, x = RNG.integers(1, 5, (4, 3)), RNG.normal(size=(4, 9, 5))
    loss = lossforge.CTC(from_logits=True)
    expected = gradient_of(loss, labels, x)
    compiled = tf.function(lambda y, p: gradient_of_mean(loss, y, p), jit_compile=True)
    actual = compiled(tf.constant(labels), tf.constant(x, tf.float32)).numpy()
    np.testing.assert_allclose(actual * 4, expected, rtol=1e-4, atol=1e-6)


def gradient_of_mean(loss, y, p):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(p)
        total = loss(y, p)
    return tape.gradient(total, p)


def test_ctc_survives_long_confident_sequences():
    x = np.where(RNG.uniform(size=(2, 300, 6)) < 0.5, -1e4, 1e4)
    labels = RNG.integers(1, 6, (2, 40))
    loss = lossforge.CTC(from_logits=True)
    assert np.all(np.isfinite(values_of(loss, labels, x)))
    assert np.all(np.isfinite(gradient_of(loss, labels, x)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lossforge.Asymmetric(clip=1.5), "clip"),
        (lambda: lossforge.Asymmetric(gamma_negative=-1), "gamma_negative"),
        (lambda: lossforge.AsymmetricSingleLabel(label_smoothing=2), "label_smoothing"),
        (lambda: lossforge.Poly1(epsilon=-2), "epsilon"),
        (lambda: lossforge.TwoWay(positive_temperature=0), "positive_temperature"),
        (lambda: lossforge.MultiLabelMargin(reduce_pairs="all"), "reduce_pairs"),
        (lambda: lossforge.Hinge(power=0.5), "power"),
        (lambda: lossforge.MultiMargin(margin=-1), "margin"),
        (lambda: lossforge.ReducedFocal(threshold=1.5), "threshold"),
        (lambda: lossforge.GaussianFocal(beta=-1), "beta"),
        (lambda: lossforge.Entmax(alpha=0.5), "alpha"),
        (lambda: lossforge.CTC(blank=0.5), "blank"),
        (lambda: lossforge.CTC(blank=9)([[1]], np.zeros((1, 2, 3))), "blank is 9"),
        (lambda: lossforge.SearchSoftmax(a=1.0), "at most 0"),
        (lambda: lossforge.SearchSoftmax(a=float("nan")), "at most 0"),
        (lambda: lossforge.AutoLossGen(form="sum"), "form"),
        (lambda: lossforge.KLDivergence(direction="sideways"), "direction"),
        (lambda: lossforge.ConfidencePenalty(beta=-1), "beta"),
        (lambda: lossforge.SuperLoss("mse"), "lossforge Loss"),
        (lambda: lossforge.SuperLoss(lossforge.MAE(), lam=0), "lam"),
        (lambda: lossforge.MMCE(width=0), "width"),
        (lambda: lossforge.WeightedKappa(power=0), "power"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
