"""What losses for noisy labels and long tails promise beyond the conformance kit."""

import numpy as np
import pytest

import lossforge as lf
from lossforge.losses import LOSSES
from lossforge.testing import gradient_of, values_of

COUNTS = (90.0, 9.0, 1.0)
LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0], [-2.0, 1.0, 1.5], [0.0, 0.0, 0.0]])
IDS = np.array([0, 2, 2, 1])
NOISE = ((0.7, 0.2, 0.1), (0.0, 0.9, 0.1), (0.05, 0.05, 0.9))

WITH_IDS = {
    "GeneralisedCrossEntropy": {},
    "TaylorCrossEntropy": {},
    "PHuberCrossEntropy": {},
    "AGCE": {},
    "AUL": {},
    "AEL": {},
    "SymmetricCrossEntropy": {},
    "ActivePassive": {"passive": "mae"},
    "Bootstrapping": {},
    "NegativeLearning": {},
    "BiTempered": {},
    "NoiseTransition": {"transition": NOISE},
    "Peer": {},
    "DMI": {},
    "GeneralisedJensenShannon": {},
    "LogitAdjusted": {"class_counts": COUNTS},
    "ClassBalanced": {"class_counts": COUNTS},
    "Seesaw": {"class_counts": COUNTS},
}


def cross_entropy(y_true=IDS, y_pred=LOGITS):
    return values_of(
        lf.CrossEntropy("multiclass", from_logits=True, dtype="float64"), y_true, y_pred
    )


def values(name, y_true=IDS, y_pred=LOGITS, **arguments):
    loss = LOSSES[name](from_logits=True, dtype="float64", **arguments)
    return values_of(loss, y_true, y_pred)


@pytest.mark.parametrize(("name", "arguments"), WITH_IDS.items())
def test_one_hot_labels_are_class_ids(name, arguments):
    one_hot = np.eye(3)[IDS]
    expected = values(name, **arguments)
    np.testing.assert_allclose(values(name, one_hot, **arguments), expected, rtol=1e-6, atol=1e-9)
    column = values(name, IDS[:, None], **arguments)
    np.testing.assert_allclose(column, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("GeneralisedCrossEntropy", {"q": 0.0}),
        ("SymmetricCrossEntropy", {"alpha": 1.0, "beta": 0.0}),
        ("Bootstrapping", {"beta": 1.0}),
        ("BiTempered", {"t1": 1.0, "t2": 1.0}),
        ("NoiseTransition", {"transition": np.eye(3)}),
        ("NoiseTransition", {"transition": np.eye(3), "mode": "backward"}),
        ("Peer", {"alpha": 0.0}),
        ("LogitAdjusted", {"class_counts": COUNTS, "tau": 0.0}),
        ("LogitAdjusted", {"class_counts": (5, 5, 5), "tau": 2.0, "gamma": 0.4}),
        ("ClassBalanced", {"class_counts": COUNTS, "beta": 0.0}),
        ("Seesaw", {"class_counts": COUNTS, "p": 0.0, "q": 0.0}),
    ],
)
def test_the_neutral_setting_is_cross_entropy(name, arguments):
    np.testing.assert_allclose(values(name, **arguments), cross_entropy(), rtol=1e-6)


def test_long_taylor_series_nears_cross_entropy():
    np.testing.assert_allclose(values("TaylorCrossEntropy", order=64), cross_entropy(), rtol=0.04)


def test_phuber_with_tau_1_is_absolute_error():
    p = np.exp(-cross_entropy())
    np.testing.assert_allclose(values("PHuberCrossEntropy", tau=1.0), 1 - p, rtol=1e-6)


def test_small_share_of_jensen_shannon_is_cross_entropy():
    np.testing.assert_allclose(
        values("GeneralisedJensenShannon", share=1e-3), cross_entropy(), rtol=0.01, atol=0.01
    )


@pytest.mark.parametrize("q", [0.05, 0.7])
@pytest.mark.parametrize("from_logits", [True, False])
def test_generalised_cross_entropy_has_a_gradient_at_probability_zero(q, from_logits):
    """Keras's own gives -inf or NaN there, and takes no logits."""
    y_pred = np.array([[0.0, 100.0]]) if from_logits else np.array([[0.0, 1.0]])
    loss = lf.GeneralisedCrossEntropy(q=q, from_logits=from_logits)
    gradient = gradient_of(loss, [0], y_pred)
    assert np.all(np.isfinite(gradient)) and gradient[0, 0] <= 0
    assert np.isfinite(values_of(loss, [0], y_pred)).all()


def test_truncation_forgives_what_looks_mislabelled():
    gradient = gradient_of(
        lf.GeneralisedCrossEntropy(truncation=0.5, from_logits=True),
        [0, 0],
        LOGITS[:2] * [[1], [-1]],
    )
    assert np.any(gradient[0] != 0) and np.all(gradient[1] == 0)


def test_bi_tempered_loss_is_bounded_where_cross_entropy_is_not():
    far = np.array([[0.0, 1e4]])
    assert values("BiTempered", [0], far, t1=0.5)[0] <= 2.0 < cross_entropy([0], far)[0]


def test_negative_learning_pulls_a_sure_wrong_prediction():
    """log(1 - p) of a p that is 1 in float32 keeps its slope of one."""
    loss = lf.NegativeLearning(from_logits=True)
    sure = np.array([[0.0, 60.0, 0.0]])
    assert values_of(loss, [0], sure)[0] > 20.0
    assert gradient_of(loss, [0], sure)[0, 1] == pytest.approx(0.5, abs=1e-3)


def test_backward_correction_is_clean_cross_entropy_in_expectation():
    """Over noisy labels drawn from row i of the transition, the mean is the loss of class i."""
    clean, row = 0, LOGITS[:1]
    by_label = [
        values("NoiseTransition", [j], row, transition=NOISE, mode="backward")[0] for j in range(3)
    ]
    assert np.dot(NOISE[clean], by_label) == pytest.approx(cross_entropy([clean], row)[0], rel=1e-6)


def test_forward_correction_is_least_at_the_noisy_share():
    """With p = the clean class, the loss of each label is minus the log of its rate."""
    sure = np.array([[80.0, 0.0, 0.0]] * 3)
    loss = values("NoiseTransition", [0, 1, 2], sure, transition=NOISE)
    np.testing.assert_allclose(loss, -np.log(NOISE[0]), rtol=1e-6)


def test_a_matrix_without_inverse_is_refused_for_backward_only():
    flat = [[0.5, 0.5], [0.5, 0.5]]
    lf.NoiseTransition(flat)
    with pytest.raises(ValueError, match="no usable inverse"):
        lf.NoiseTransition(flat, mode="backward")


@pytest.mark.parametrize("matrix", [[[0.5, 0.5]], [[0.5, 0.6], [0.5, 0.5]], [[1.5, -0.5], [0, 1]]])
def test_a_transition_must_be_square_and_its_rows_probabilities(matrix):
    with pytest.raises(ValueError, match="transition"):
        lf.NoiseTransition(matrix)


def test_label_noise_adds_a_constant_to_the_information_loss():
    """Labels mixed by a transition matrix multiply det U: the same shift for any prediction."""
    rng = np.random.default_rng(0)
    clean = np.eye(3)[rng.integers(0, 3, 300)]
    shifts = []
    for sharpness in (1.0, 3.0):
        logits = sharpness * clean + rng.normal(size=clean.shape)
        shifts.append(
            values("DMI", clean @ np.array(NOISE), logits, epsilon=1e-4)[0]
            - values("DMI", clean, logits, epsilon=1e-4)[0]
        )
    assert shifts[0] == pytest.approx(shifts[1], abs=1e-4)
    assert shifts[0] == pytest.approx(-np.log(np.linalg.det(NOISE)), abs=1e-3)


def test_information_loss_is_finite_where_the_batch_lacks_a_class():
    loss = lf.DMI(from_logits=True)
    assert np.isfinite(values_of(loss, [0, 0], LOGITS[:2])).all()
    assert np.isfinite(gradient_of(loss, [0, 0], LOGITS[:2])).all()


def test_peer_loss_gives_nothing_for_agreeing_blindly():
    """All labels alike: the label is what blind agreement predicts."""
    np.testing.assert_allclose(values("Peer", [1, 1, 1, 1]), 0.0, atol=1e-9)


def test_each_network_learns_from_what_the_other_finds_easy():
    easy, hard = [8.0, 0.0], [0.0, 8.0]
    y_pred = np.array([[easy, hard], [hard, easy]])
    gradient = gradient_of(lf.CoTeaching(keep=0.5, from_logits=True), [0, 0], y_pred)
    # The first network finds example 0 easy: the second learns from it, and the other way round.
    assert np.any(gradient[0, 1] != 0) and np.any(gradient[1, 0] != 0)
    assert np.all(gradient[0, 0] == 0) and np.all(gradient[1, 1] == 0)


def test_networks_must_be_stacked():
    with pytest.raises(ValueError, match=r"\(batch, 2, C\)"):
        lf.CoTeaching(from_logits=True)(IDS, LOGITS)


def test_easy_examples_keep_the_small_losses():
    errors = np.array([[1.0], [2.0], [3.0], [10.0]])
    easy = lf.EasyExamples(lf.MAE(), keep=0.5)
    assert values_of(easy, np.zeros((4, 1)), errors).tolist() == [2.0, 4.0, 0.0, 0.0]
    assert values_of(easy, np.zeros((4, 1)), errors, [0.0, 1.0, 1.0, 0.0]).tolist() == [0, 4, 0, 0]
    below = lf.EasyExamples(lf.MAE(), keep=1.0, threshold=3.0)
    assert float(below(np.zeros((4, 1)), errors)) == pytest.approx(2.0)
    again = lf.EasyExamples.from_config(easy.get_config())
    assert again.get_config() == easy.get_config()


def test_easy_examples_wrap_losses_only():
    with pytest.raises(ValueError, match="must be a lossforge Loss"):
        lf.EasyExamples("mae")


def test_logit_adjustment_is_balanced_softmax_whatever_the_unit_of_the_counts():
    shares = tuple(n / sum(COUNTS) for n in COUNTS)
    np.testing.assert_allclose(
        values("LogitAdjusted", class_counts=COUNTS),
        values("LogitAdjusted", class_counts=shares),
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", ["LogitAdjusted", "LDAM", "ClassBalanced", "Seesaw"])
@pytest.mark.parametrize("counts", [(3, 0), (), (1, float("inf")), (2, -1)])
def test_a_class_without_examples_is_refused_with_the_way_out(name, counts):
    with pytest.raises(ValueError, match="Count a class without examples as 1"):
        LOSSES[name](class_counts=counts)


def test_counts_must_fit_the_classes():
    with pytest.raises(ValueError, match="has 2 numbers, but the predictions have 3"):
        lf.LogitAdjusted(class_counts=(1, 2))(IDS, LOGITS)


def test_effective_numbers_keep_their_digits_near_one():
    """1 - beta^n in float32 is 0 for n = 1 and beta = 1 - 1e-9: all weights infinite or NaN."""
    loss = lf.ClassBalanced(class_counts=(9e8, 3), beta=1 - 1e-9)
    weights = values_of(loss, [0, 1], [[0.5, 0.5], [0.5, 0.5]])
    expected = 3 / -np.expm1(9e8 * np.log1p(-1e-9)) * 1e-9
    assert weights[0] / weights[1] == pytest.approx(expected, rel=1e-4)


def test_seesaw_spares_a_rare_class_unless_it_is_confused():
    rare_negative = {"y_true": [0], "class_counts": COUNTS}
    far, near = np.array([[4.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 4.0]])
    relieved = lf.Seesaw(COUNTS, q=0.0, from_logits=True)
    plain = lf.Seesaw(COUNTS, p=0.0, q=0.0, from_logits=True)
    full = lf.Seesaw(COUNTS, from_logits=True)
    y_true = rare_negative["y_true"]
    assert gradient_of(relieved, y_true, far)[0, 2] < 0.1 * gradient_of(plain, y_true, far)[0, 2]
    assert gradient_of(full, y_true, near)[0, 2] > gradient_of(relieved, y_true, near)[0, 2]


def test_harmonised_weights_have_a_mean_of_one():
    rng = np.random.default_rng(0)
    y_true, p = rng.integers(0, 2, (50, 4)).astype(float), rng.uniform(0.01, 0.99, (50, 4))
    slope = np.abs(p - y_true)
    # with a loss of 1 an element, the batch's mean is the mean of the weights
    from lossforge.losses.classification.harmonised_gradient import harmonised_weights

    weights = np.asarray(harmonised_weights(slope.astype("float32"), np.ones(50, bool), 7))
    assert weights.mean() == pytest.approx(1.0, rel=1e-5)
    assert weights.std() > 0


def test_mean_of_mann_whitney_is_the_mean_over_pairs():
    p, y = np.array([[0.9], [0.2], [0.4], [0.3]]), np.array([[1.0], [1.0], [0.0], [0.0]])
    pairs = [max(0, 0.3 - (a - b)) ** 2 for a in (0.9, 0.2) for b in (0.4, 0.3)]
    assert float(lf.MannWhitney(0.3)(y, p)) == pytest.approx(np.mean(pairs), rel=1e-5)


def test_auc_margin_loss_equals_the_papers_min_max_problem():
    """a, b minimise and the dual variable maximises: searched on a grid here."""
    rng = np.random.default_rng(1)
    y, p = np.array([1.0, 1, 0, 0, 0]), rng.uniform(size=5)
    share, grid = y.mean(), np.linspace(-1, 2, 3001)
    centres = sum(
        min(np.mean(factor * mask * (p - g) ** 2) for g in grid)
        for factor, mask in ((1 - share, y), (share, 1 - y))
    )
    gap = np.mean(share * p * (1 - y) - (1 - share) * p * y)
    weight = share * (1 - share)
    dual = max(2 * a * (weight + gap) - weight * a * a for a in grid if a >= 0)
    assert float(lf.AUCM()(y[:, None], p[:, None])) == pytest.approx(centres + dual, abs=1e-5)


@pytest.mark.parametrize("name", ["MannWhitney", "AUCM"])
def test_one_class_alone_costs_nothing(name):
    loss = LOSSES[name]()
    assert values_of(loss, [[1.0], [1.0]], [[0.2], [0.9]]).tolist() == [0.0, 0.0]
    assert np.all(gradient_of(loss, [[1.0], [1.0]], np.array([[0.2], [0.9]])) == 0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("GeneralisedCrossEntropy", {"q": 1.5}),
        ("GeneralisedCrossEntropy", {"truncation": 1.0}),
        ("TaylorCrossEntropy", {"order": 2.5}),
        ("PHuberCrossEntropy", {"tau": 0.5}),
        ("AGCE", {"a": 0.0}),
        ("AUL", {"a": 1.0}),
        ("AEL", {"a": -1.0}),
        ("SymmetricCrossEntropy", {"log_zero": 0.0}),
        ("ActivePassive", {"active": "ce"}),
        ("ActivePassive", {"passive": "mse"}),
        ("Bootstrapping", {"mode": "medium"}),
        ("BiTempered", {"t2": 0.5}),
        ("Peer", {"alpha": -1.0}),
        ("DMI", {"epsilon": 0.0}),
        ("CoTeaching", {"keep": 0.0}),
        ("JoCoR", {"agreement": 2.0}),
        ("GeneralisedJensenShannon", {"share": 1.0}),
        ("LDAM", {"class_counts": COUNTS, "margin": 2.0}),
        ("ClassBalanced", {"class_counts": COUNTS, "beta": 1.0}),
        ("DistributionBalanced", {"class_shares": (0.5, 1.0)}),
        ("InfluenceBalanced", {"class_counts": COUNTS, "alpha": 0.0}),
        ("GHMC", {"bins": 2.5}),
        ("GHMR", {"mu": 0.0}),
        ("MannWhitney", {"power": 0.5}),
        ("AUCM", {"margin": 1.5}),
    ],
)
def test_a_bad_argument_is_named(name, arguments):
    argument = list(arguments)[-1]
    with pytest.raises(ValueError, match=rf"{name}: {argument}"):
        LOSSES[name](**arguments)
