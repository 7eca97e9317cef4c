"""Losses on real numbers: identities, and defects of other libraries that must not come back."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.losses.regression.evidential import evidential_parameters
from lossforge.losses.regression.label_density import label_density_weights
from lossforge.losses.regression.log_gamma import log_gamma, log_gamma_ratio
from lossforge.testing import gradient_of

RNG = np.random.default_rng(0)
Y, P = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))


def values(loss, y_true, y_pred):
    again = type(loss).from_config({**loss.get_config(), "reduction": None})
    return ops.convert_to_numpy(again(y_true, y_pred))


# Against Keras, where it is right.


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lossforge.MSE(), keras.losses.MeanSquaredError()),
        (lossforge.MAE(), keras.losses.MeanAbsoluteError()),
        (lossforge.LogCosh(), keras.losses.LogCosh()),
        (lossforge.MSLE(), keras.losses.MeanSquaredLogarithmicError()),
        (lossforge.MAPE(), keras.losses.MeanAbsolutePercentageError()),
        (lossforge.Poisson(), keras.losses.Poisson()),
    ],
    ids=lambda loss: loss.name,
)
def test_equals_keras_on_positive_numbers(ours, theirs):
    y, p = np.abs(Y) + 0.1, np.abs(P) + 0.1
    assert float(ours(y, p)) == pytest.approx(float(theirs(y, p)), rel=1e-5)


def test_cosine_similarity_is_that_of_keras_plus_one():
    theirs = float(keras.losses.CosineSimilarity()(Y, P))
    assert float(lossforge.CosineSimilarity()(Y, P)) == pytest.approx(1 + theirs, rel=1e-5)


# Identities within the family.


def test_rmse_is_the_root_of_mse_and_psnr_its_logarithm():
    mse = values(lossforge.MSE(), Y, P)
    np.testing.assert_allclose(values(lossforge.RMSE(), Y, P), np.sqrt(mse), rtol=1e-5)
    np.testing.assert_allclose(values(lossforge.PSNR(), Y, P), 10 * np.log10(mse), rtol=1e-4)


def test_one_minus_r_squared_of_predicting_the_mean_is_one():
    mean = np.broadcast_to(Y.mean(axis=0), Y.shape)
    assert float(lossforge.RSquared()(Y, mean)) == pytest.approx(1.0, rel=1e-5)


def test_mase_of_the_naive_forecast_is_one():
    series = RNG.normal(size=(1, 9))
    loss = lossforge.MASE(scale=float(np.abs(np.diff(series)).mean()))
    assert float(loss(series[:, 1:], series[:, :-1])) == pytest.approx(1.0, rel=1e-5)


def test_median_pinball_is_half_the_absolute_error_and_middle_expectile_half_the_squared():
    np.testing.assert_allclose(
        values(lossforge.Pinball(), Y, P), values(lossforge.MAE(), Y, P) / 2, rtol=1e-5
    )
    np.testing.assert_allclose(
        values(lossforge.Expectile(), Y, P), values(lossforge.MSE(), Y, P) / 2, rtol=1e-5
    )


def test_pinball_is_least_at_the_quantile_of_the_sample():
    sample = RNG.normal(size=1001)
    candidates = np.linspace(-3, 3, 601)
    loss = lossforge.Pinball(0.9)
    costs = [float(loss(sample, np.full((1001, 1), c))) for c in candidates]
    assert candidates[np.argmin(costs)] == pytest.approx(np.quantile(sample, 0.9), abs=0.02)


def test_crossing_quantiles_cost_and_ordered_ones_do_not():
    free = lossforge.Pinball([0.1, 0.5, 0.9])
    strict = lossforge.Pinball([0.1, 0.5, 0.9], crossing=3.0)
    ordered, crossed = [[-1.0, 0.0, 1.0]], [[1.0, 0.0, -1.0]]
    assert float(strict([0.0], ordered)) == float(free([0.0], ordered))
    assert float(strict([0.0], crossed)) == pytest.approx(float(free([0.0], crossed)) + 3.0)


def test_quantile_huber_without_kappa_is_the_sum_of_pinballs():
    pinball = lossforge.Pinball([1 / 6, 1 / 2, 5 / 6])
    expected = 3 * np.mean([values(pinball, Y[:, n], P[:, :3]) for n in range(4)], axis=0)
    actual = values(lossforge.QuantileHuber(kappa=0.0), Y, P[:, :3])
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_barron_is_huber_like_charbonnier_cauchy_geman_mcclure_and_welsch():
    d2 = (Y - P) ** 2
    named = {
        2.0: d2 / 2,
        1.0: np.sqrt(d2 + 1) - 1,
        0.0: np.log(d2 / 2 + 1),
        -2.0: 2 * d2 / (d2 + 4),
        -np.inf: 1 - np.exp(-d2 / 2),
    }
    for alpha, expected in named.items():
        actual = values(lossforge.Barron(alpha=alpha), Y, P)
        np.testing.assert_allclose(actual, expected.mean(axis=-1), rtol=1e-5)


def test_tweedie_is_squared_error_poisson_and_gamma():
    y, p = np.abs(Y) + 0.1, np.abs(P) + 0.1
    named = {
        0.0: (y - p) ** 2,
        1.0: 2 * (y * np.log(y / p) - y + p),
        2.0: 2 * (np.log(p / y) + y / p - 1),
    }
    for power, expected in named.items():
        actual = values(lossforge.Tweedie(power=power), y, p)
        np.testing.assert_allclose(actual, expected.mean(axis=-1), rtol=1e-4)


def test_tweedie_of_an_amount_of_zero_is_the_limit_of_small_amounts():
    for power in (1.0, 1.5):
        loss = lossforge.Tweedie(power=power)
        zero, small = (float(loss([[y]], [[1.7]])) for y in (0.0, 1e-6))
        assert zero == pytest.approx(2 * 1.7 ** (2 - power) / (2 - power), rel=1e-5)
        assert zero == pytest.approx(small, rel=1e-2)


def test_negative_binomial_of_a_large_size_is_poisson():
    y, log_mean = np.array([0.0, 3.0, 7.0]), np.array([0.3, 1.0, 1.5])
    from scipy import stats

    p = np.stack([log_mean, np.full(3, 15.0)], axis=-1)
    actual = values(lossforge.NegativeBinomial(), y, p)
    np.testing.assert_allclose(actual, -stats.poisson(np.exp(log_mean)).logpmf(y), rtol=1e-3)


def test_zero_inflation_switched_off_is_the_negative_binomial():
    y, p = np.array([0.0, 2.0]), np.array([[0.3, 0.1], [1.0, -0.2]])
    inflated = np.concatenate([p, [[-50.0], [-50.0]]], axis=-1)
    np.testing.assert_allclose(
        values(lossforge.ZeroInflatedNegativeBinomial(), y, inflated),
        values(lossforge.NegativeBinomial(), y, p),
        rtol=1e-5,
    )


def test_a_mixture_of_one_component_is_the_normal_distribution():
    y, m, s = Y[:, 0], P[:, 0], P[:, 1] / 3
    mixture = values(lossforge.MixtureNLL(), y, np.stack([0 * m, m, s], axis=-1))
    normal = values(lossforge.GaussianNLL(), y, np.stack([m, 2 * s], axis=-1))
    np.testing.assert_allclose(mixture, normal, rtol=1e-5)


def test_beta_nll_of_one_has_the_gradient_of_the_squared_error_in_the_mean():
    y, p = Y[:, 0], np.stack([P[:, 0], P[:, 1]], axis=-1)
    gradient = gradient_of(lossforge.BetaNLL(beta=1.0), y, p)
    np.testing.assert_allclose(gradient[:, 0], P[:, 0] - y, rtol=1e-4)


def test_crps_of_a_sharp_forecast_is_the_absolute_error():
    sharp = np.stack([P[:, 0], np.full(6, -30.0)], axis=-1)
    expected = np.abs(P[:, 0] - Y[:, 0])
    np.testing.assert_allclose(values(lossforge.GaussianCRPS(), Y[:, 0], sharp), expected, 1e-4)
    np.testing.assert_allclose(values(lossforge.EnsembleCRPS(), Y[:, 0], P[:, :1]), expected, 1e-5)


def test_ensemble_crps_of_many_members_is_that_of_their_distribution():
    members = np.random.default_rng(2).normal(size=(1, 20000))
    expected = float(lossforge.GaussianCRPS()([0.7], [[0.0, 0.0]]))
    assert float(lossforge.EnsembleCRPS()([0.7], members)) == pytest.approx(expected, rel=0.03)


def test_evidential_parameters_are_in_their_ranges():
    gamma, nu, alpha, beta = evidential_parameters(
        ops.convert_to_tensor([[1.0, -50.0, -50.0, 3.0]])
    )
    assert float(gamma[0]) == 1.0 and float(nu[0]) > 0 and float(alpha[0]) > 1
    assert float(beta[0]) == pytest.approx(np.log1p(np.exp(3.0)), rel=1e-5)


def test_log_gamma_equals_scipy():
    from scipy import special

    x = np.array([1e-3, 0.5, 1.0, 7.3, 100.0])
    np.testing.assert_allclose(
        ops.convert_to_numpy(log_gamma(ops.convert_to_tensor(x))), special.gammaln(x), 1e-9, 1e-9
    )
    far = float(log_gamma_ratio(ops.convert_to_tensor(1e5, "float32"), 0.5))
    assert far == pytest.approx(0.5 * np.log(1e5), rel=1e-5)


def test_silog_forgives_a_wrong_scale_and_leaves_out_pixels_without_depth():
    depth = RNG.uniform(1, 5, (2, 4, 5, 1))
    forgiving, strict = lossforge.SILog(focus=1.0), lossforge.SILog(focus=0.0)
    assert float(forgiving(depth, 3 * depth)) == pytest.approx(0.0, abs=1e-6)
    assert float(strict(depth, 3 * depth)) == pytest.approx(np.log(3) ** 2, rel=1e-5)
    hole = depth.copy()
    hole[:, :2] = 0.0
    guess = RNG.uniform(1, 5, depth.shape)
    np.testing.assert_allclose(
        values(strict, hole, guess), values(strict, depth[:, 2:], guess[:, 2:]), rtol=1e-5
    )
    assert np.all(values(strict, 0 * depth, guess) == 0)


def test_depth_may_change_where_the_image_does():
    step = np.zeros((1, 4, 6, 1))
    step[:, :, 3:] = 1.0
    loss = lossforge.DepthSmoothness()
    flat = float(loss(np.zeros((1, 4, 6, 3)), 1 + step))
    edge = float(loss(np.repeat(step, 3, axis=-1), 1 + step))
    assert edge == pytest.approx(flat / np.e, rel=1e-5)


def test_shrinking_the_inverse_depth_does_not_smooth_it():
    image, depth = np.zeros((1, 4, 6, 3)), RNG.uniform(1, 2, (1, 4, 6, 1))
    loss = lossforge.DepthSmoothness()
    assert float(loss(image, depth)) == pytest.approx(float(loss(image, 0.01 * depth)), rel=1e-4)


def test_ranks_and_levels_give_equal_values():
    ids, logits = np.array([0, 1, 2, 3]), RNG.normal(size=(4, 3))
    levels = (np.arange(3) < ids[:, None]).astype(float)
    for loss in (lossforge.CORAL(), lossforge.CORN(), lossforge.CumulativeLink()):
        np.testing.assert_allclose(values(loss, ids, logits), values(loss, levels, logits))
        np.testing.assert_allclose(values(loss, ids, logits), values(loss, ids[:, None], logits))


def test_probabilities_of_all_ranks_sum_to_one():
    logits = np.array([[2.0, 0.3, -1.0]])
    for loss in (lossforge.CORN(), lossforge.CumulativeLink()):
        total = sum(np.exp(-float(loss([rank], logits))) for rank in range(4))
        assert total == pytest.approx(1.0, rel=1e-5)


def test_cumulative_link_pulls_logits_in_the_wrong_order_apart():
    gradient = gradient_of(lossforge.CumulativeLink(), np.array([1]), np.array([[-1.0, 1.0]]))
    assert gradient[0, 0] < -1 and gradient[0, 1] > 1


def test_farther_classes_cost_more_in_ordinal_losses():
    shares = np.eye(4)
    for loss in (lossforge.EMD(), lossforge.OrdinalLog()):
        costs = values(loss, np.zeros(4, int), 0.9 * shares + 0.025)
        assert np.all(np.diff(costs) > 0)


def test_c51_of_one_value_between_two_atoms_is_two_hot():
    loss = lossforge.C51(v_min=0.0, v_max=2.0)
    p = [[0.2, 0.3, 0.5]]
    expected = -(0.75 * np.log(0.3) + 0.25 * np.log(0.5))
    assert float(loss([[[1.25], [1.0]]], p)) == pytest.approx(expected, rel=1e-5)
    assert float(loss([[[9.0], [1.0]]], p)) == pytest.approx(-np.log(0.5), rel=1e-5)


def test_norm_in_norm_of_power_two_is_one_minus_pearson_over_two():
    r = np.corrcoef(Y[:, 0], P[:, 0])[0, 1]
    actual = float(lossforge.NormInNorm(p=2.0)(Y[:, :1], P[:, :1]))
    assert actual == pytest.approx((1 - r) / 2, rel=1e-4)


def test_balanced_mse_of_far_targets_is_the_softmax_of_distances_wherever_the_origin_is():
    loss = lossforge.BalancedMSE(sigma=0.7)
    np.testing.assert_allclose(values(loss, Y + 500, P + 500), values(loss, Y, P), rtol=1e-2)


def test_rare_targets_weigh_more_and_their_neighbours_share():
    labels = np.concatenate([np.zeros(90), np.ones(9), [10.0]])
    weights = label_density_weights(labels, bins=100, sigma=2.0)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[-1] > 20 * weights[0]
    milder = label_density_weights(labels, bins=100, sigma=2.0, power=0.5)
    assert milder[-1] / milder[0] == pytest.approx((weights[-1] / weights[0]) ** 0.5)


# Defects of other libraries.


def test_mse_of_a_large_error_in_float16_is_finite():
    loss = lossforge.MSE(dtype="mixed_float16")
    assert float(loss([[0.0]], ops.cast([[400.0]], "float16"))) == pytest.approx(160000.0)


def test_mape_of_a_zero_target_is_not_the_whole_loss():
    assert float(lossforge.MAPE()([[0.0]], [[1.0]])) == pytest.approx(1e4)


def test_poisson_of_a_rate_of_zero_or_less_is_finite_and_pulled_back():
    for loss in (lossforge.Poisson(), lossforge.Tweedie(power=1.0)):
        for count in (0.0, 3.0):
            rate = np.array([[-0.5], [0.0]])
            assert np.all(np.isfinite(values(loss, [[count]] * 2, rate)))
            gradient = gradient_of(loss, np.full((2, 1), count), rate)
            assert np.all(np.isfinite(gradient))
            assert count == 0 or np.all(gradient < 0)
    assert gradient_of(lossforge.Poisson(), np.zeros((1, 1)), np.array([[-0.5]]))[0, 0] < 0


def test_cosine_similarity_of_a_vector_of_length_zero_has_no_gradient():
    zero = np.zeros((1, 3))
    assert float(lossforge.CosineSimilarity()([[1.0, 2.0, 3.0]], zero)) == 1.0
    assert np.all(gradient_of(lossforge.CosineSimilarity(), np.ones((1, 3)), zero) == 0)


def test_smooth_l1_and_barron_are_continuous_and_never_negative():
    d = np.linspace(0.0, 0.3, 301)[:, None]
    for loss in (lossforge.SmoothL1(beta=0.1), lossforge.Barron(0.5, 0.1), lossforge.Tukey(0.1)):
        cost = values(loss, np.zeros_like(d), d)
        assert np.all(cost >= 0) and np.all(np.diff(cost) >= -1e-7)
        assert np.max(np.diff(cost)) < 0.02


def test_psnr_of_a_perfect_prediction_is_finite():
    assert float(lossforge.PSNR()([[0.5]], [[0.5]])) == pytest.approx(-80.0)


def test_relative_l2_of_a_target_of_zero_is_finite():
    assert np.isfinite(float(lossforge.RelativeL2()([[0.0, 0.0]], [[1.0, 0.0]])))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lossforge.Pinball(1.0), r"quantiles must be in \(0, 1\).*got 1.0"),
        (lambda: lossforge.Pinball([0.9, 0.1]), "rising order"),
        (lambda: lossforge.Pinball(0.5, crossing=1.0), "needs a list of quantiles"),
        (lambda: lossforge.Pinball([0.1, 0.9])([0.0], [[0.0] * 3]), "2 levels need"),
        (lambda: lossforge.Expectile(0.0), "expectiles"),
        (lambda: lossforge.QuantileHuber(-1.0), "kappa"),
        (lambda: lossforge.Barron(alpha=3.0), "alpha"),
        (lambda: lossforge.Barron(alpha=float("nan")), "alpha"),
        (lambda: lossforge.Tukey(c=0), "c must be"),
        (lambda: lossforge.AdaptiveWing(alpha=2.0), "alpha"),
        (lambda: lossforge.NRMSE(spread="iqr"), "spread must be"),
        (lambda: lossforge.MASE(season=0), "season"),
        (lambda: lossforge.MASE(season=3)([[0.0]], [[0.0]]), "longer than season=3"),
        (lambda: lossforge.BetaNLL(beta=2.0), "beta"),
        (lambda: lossforge.GaussianNLL()([0.0], [[0.0] * 3]), "location and the logarithm"),
        (lambda: lossforge.MixtureNLL()([0.0], [[0.0] * 4]), "3 K"),
        (lambda: lossforge.Evidential()([0.0], [[0.0] * 3]), r"must be \(..., 4\)"),
        (lambda: lossforge.NegativeBinomial()([0.0], [[0.0] * 3]), r"must be \(..., 2\)"),
        (lambda: lossforge.Tweedie(power=0.5), "power"),
        (lambda: lossforge.SILog(focus=1.5), "focus"),
        (lambda: lossforge.CORAL([1.0])([0], [[0.0, 0.0]]), "importance has 1 factors"),
        (lambda: lossforge.CORN([-1.0]), "importance"),
        (lambda: lossforge.EMD(power=0.5), "power"),
        (lambda: lossforge.C51(v_min=1.0, v_max=1.0), "v_min=1.0 must be below"),
        (lambda: lossforge.NormInNorm(p=0.5), "p must be"),
        (lambda: lossforge.BalancedMSE(sigma=0.0), "sigma"),
        (lambda: lossforge.MarginRank()([[0.0] * 2], [[0.0] * 2]), r"must be \(batch, 1\)"),
        (lambda: label_density_weights([np.nan]), "finite"),
        (lambda: label_density_weights([1.0], sigma=0.0), "sigma above 0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
