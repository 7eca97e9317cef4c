"""Balances that need only the values of the terms, against NumPy and closed forms."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.balance import BALANCES, BalanceState
from lossforge.balance import base as balances
from lossforge.callbacks import Balancing, LossMonitor
from lossforge.errors import RecipeError, UsageError
from lossforge.losses.base import Loss
from lossforge.spec import parse_balance

NAMES = ("a", "b", "c")
VALUES = [[4.0, 1.0, 0.25], [3.0, 1.0, 0.2], [2.5, 0.8, 0.24], [2.4, 0.5, 0.1]]
ON_VALUES = sorted(n for n, cls in BALANCES.items() if not cls.needs_gradients)


def weights_of_each_step(balance, steps=VALUES, names=NAMES):
    state = BalanceState(parse_balance(balance), names)
    results = [state(ops.convert_to_tensor(v, dtype="float32")) for v in steps]
    return [np.array(ops.convert_to_numpy(w)) for _, w in results]


def softmax(x):
    e = np.exp(np.asarray(x) - np.max(x))
    return e / e.sum()


def test_fixed_weights():
    assert np.allclose(weights_of_each_step("FixedWeights([1.0, 2.0, 3.0])")[-1], [1, 2, 3])


def test_magnitude_divides_by_the_unbiased_exponential_mean():
    decay, power = 0.9, np.arange(len(VALUES))[::-1]
    mean = np.sum(np.array(VALUES) * (decay**power)[:, None], 0) / np.sum(decay**power)
    np.testing.assert_allclose(
        weights_of_each_step("Magnitude(decay=0.9)")[-1], 1 / mean, rtol=1e-5
    )


def test_uncertainty_equals_learning_the_noise_by_gradient_descent():
    s, a = np.zeros(3), np.array([1.0, 0.5, 0.5])
    for row in VALUES:
        expected = a * np.exp(-s)
        s = s - 0.05 * (0.5 - a * np.exp(-s) * row)
    text = "Uncertainty(learning_rate=0.05, initial=0.0, classification=['a'])"
    np.testing.assert_allclose(weights_of_each_step(text)[-1], expected, rtol=1e-5)


def test_analytic_uncertainty_is_a_softmax_of_inverses():
    expected = 3 * softmax(1 / np.array(VALUES[-1]) / 2.0)
    actual = weights_of_each_step("AnalyticUncertainty(temperature=2.0)")[-1]
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_dynamic_average_looks_at_the_means_of_two_epochs():
    state = BalanceState(parse_balance("DynamicAverage(temperature=2.0)"), NAMES)
    epochs = [VALUES[:2], VALUES[2:], VALUES[:1]]
    for epoch in epochs:
        state.begin_epoch()
        for row in epoch:
            _, weights = state(ops.convert_to_tensor(row, dtype="float32"))
    ratio = np.mean(epochs[1], 0) / np.mean(epochs[0], 0)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), 3 * softmax(ratio / 2), rtol=1e-5)


def test_random_weights_are_drawn_from_seed_and_step():
    first = weights_of_each_step("RandomWeights(seed=1)")
    assert all(w.sum() == pytest.approx(3.0, rel=1e-5) for w in first)
    np.testing.assert_array_equal(first, weights_of_each_step("RandomWeights(seed=1)"))
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first, weights_of_each_step("RandomWeights(seed=2)"))


def test_geometric_mean_survives_products_beyond_float32():
    values = [[1e-30, 1e-20, 1e-25]]
    expected = np.exp(np.mean(np.log(values[0]))) / (3 * np.array(values[0]))
    np.testing.assert_allclose(
        weights_of_each_step("GeometricMean()", values)[0], expected, rtol=1e-4
    )


def test_soft_adapt_favours_what_falls_least():
    change = np.array(VALUES[-1]) - VALUES[-2]
    text = "SoftAdapt(beta=2.0, decay=0.0, relative=False)"
    np.testing.assert_allclose(weights_of_each_step(text)[-1], 3 * softmax(2 * change), rtol=1e-4)
    change = change / np.abs(change).sum()
    weighted = softmax(2 * change) * VALUES[-1]
    text = "SoftAdapt(beta=2.0, decay=0.0, loss_weighted=True)"
    expected = 3 * weighted / weighted.sum()
    np.testing.assert_allclose(weights_of_each_step(text)[-1], expected, rtol=1e-4)


def test_coefficient_of_variation_of_the_loss_ratios():
    rows = np.array(VALUES)
    before = np.array(
        [rows[max(t, 1) - 1] if t < 1 else rows[:t].mean(0) for t in range(len(rows))]
    )
    ratios = rows / before
    variation = ratios.std(0) / ratios.mean(0)
    expected = 3 * variation / variation.sum()
    np.testing.assert_allclose(
        weights_of_each_step("CoefficientOfVariation()")[-1], expected, rtol=1e-4
    )


def test_impartial_losses_equal_learning_the_scales_by_gradient_descent():
    s = np.zeros(3)
    for row in VALUES:
        expected = np.exp(s)
        s = s - 0.1 * (np.exp(s) * row - 1)
    text = "ImpartialLosses(learning_rate=0.1)"
    np.testing.assert_allclose(weights_of_each_step(text)[-1], expected, rtol=1e-5)


def test_smooth_tchebycheff_is_a_softmax_over_scaled_terms_after_its_warm_up():
    nadir = np.mean(VALUES[:2], 0)
    steps = weights_of_each_step("SmoothTchebycheff(mu=0.5, warmup_steps=2)")
    np.testing.assert_allclose(steps[1], 1 / nadir, rtol=1e-5)
    expected = softmax(np.array(VALUES[-1]) / nadir / 0.5) / nadir
    np.testing.assert_allclose(steps[-1], expected, rtol=1e-5)


def test_famo_follows_algorithm_1():
    xi, last = np.zeros(3), None
    for row in np.array(VALUES):
        if last is not None:
            z, d = softmax(xi), np.log(last) - np.log(row)
            xi = xi - 0.5 * ((np.diag(z) - np.outer(z, z)) @ d + 0.01 * xi)
        last = row
    share = softmax(xi) / last
    actual = weights_of_each_step("FAMO(learning_rate=0.5, decay=0.01)")[-1]
    np.testing.assert_allclose(actual, 3 * share / share.sum(), rtol=1e-4)


@pytest.mark.parametrize("memory", [0.0, 1.0])
def test_relobralo_remembers_or_looks_back(memory):
    weights, rows = np.ones(3), np.array(VALUES)
    for t in range(1, len(rows)):
        back = 3 * softmax(rows[t] / rows[0] / 0.5)
        kept = memory * weights + (1 - memory) * back
        weights = 0.9 * kept + 0.1 * 3 * softmax(rows[t] / rows[t - 1] / 0.5)
    text = f"ReLoBRaLo(temperature=0.5, decay=0.9, memory={memory})"
    np.testing.assert_allclose(weights_of_each_step(text)[-1], weights, rtol=1e-4)


# Two quadratics that pull one number x apart: L_a = 100 (x - 1)^2 + 1, L_b = (x + 1)^2 + 0.01.


class Pull(Loss):
    kinds = ("regression",)

    def __init__(self, scale=1.0, to=0.0, floor=0.0, **base):
        super().__init__(**base)
        self.scale, self.to, self.floor = scale, to, floor

    def call(self, y_true, y_pred):
        return ops.mean(self.scale * ops.square(y_pred - self.to) + self.floor, axis=-1)


def pulled_apart():
    terms = {"a": Pull(100.0, 1.0, 1.0), "b": Pull(1.0, -1.0, 0.01)}
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(keras.optimizers.SGD(1e-3), loss=lossforge.Composite(terms))
    return model


def settled(callbacks, epochs=1):
    model = pulled_apart()
    x = np.ones((1500, 1), "float32")
    model.fit(x, x, batch_size=1, epochs=epochs, verbose=0, callbacks=callbacks)
    return float(np.ravel(model.get_weights()[0])[0])


def stationary(weights_at):
    """x where sum_k w_k(x) dL_k/dx = 0, by bisection, for weights as a function of both values."""
    low, high = -1.0, 1.0
    for _ in range(100):
        x = (low + high) / 2
        wa, wb = weights_at(100 * (x - 1) ** 2 + 1, (x + 1) ** 2 + 0.01)
        slope = wa * 200 * (x - 1) + wb * 2 * (x + 1)
        low, high = (x, high) if slope < 0 else (low, x)
    return x


@pytest.mark.parametrize(
    ("balance", "weights_at"),
    [
        ("FixedWeights()", lambda a, b: (1, 1)),
        ("FixedWeights([1.0, 100.0])", lambda a, b: (1, 100)),
        ("SmoothTchebycheff(mu=0.2, warmup_steps=1)",
         lambda a, b: softmax([a / 101 / 0.2, b / 1.01 / 0.2]) / [101, 1.01]),
    ],
)  # fmt: skip
def test_two_quadratics_settle_at_the_known_pareto_point(balance, weights_at):
    expected = stationary(weights_at)
    assert settled([Balancing(balance)]) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    "balance",
    ["Uncertainty(learning_rate=0.05)", "ImpartialLosses(learning_rate=0.05)",
     "Magnitude(decay=0.5)", "GeometricMean()"],
)  # fmt: skip
def test_inverse_values_are_where_two_quadratics_rest_scale_free(balance):
    """At rest each term weighs 1 / L: some stationary point of log L_a + log L_b."""
    model = pulled_apart()
    x = np.ones((2000, 1), "float32")
    logs = model.fit(
        x, x, batch_size=1, epochs=1, verbose=0, callbacks=[Balancing(balance)]
    ).history
    at = float(np.ravel(model.get_weights()[0])[0])
    a, b = 100 * (at - 1) ** 2 + 1, (at + 1) ** 2 + 0.01
    slope = 200 * (at - 1) / a + 2 * (at + 1) / b
    assert abs(slope) < 0.05 * (abs(200 * (at - 1) / a) + abs(2 * (at + 1) / b)) + 0.02
    assert {"weights/a", "shares/b"} <= set(logs)


@pytest.mark.parametrize("name", ON_VALUES)
def test_a_training_in_two_parts_is_bit_equal_to_one(name, tmp_path):
    x = np.random.default_rng(0).normal(size=(24, 1)).astype("float32")

    def fit(epochs, folder):
        model = pulled_apart()
        backup = keras.callbacks.BackupAndRestore(tmp_path / folder, delete_checkpoint=False)
        logs = model.fit(
            x, x, batch_size=4, epochs=epochs, shuffle=False, verbose=0,
            callbacks=[backup, Balancing(name)],
        ).history  # fmt: skip
        return model, logs

    whole, logs = fit(4, "whole")
    fit(2, "parts")
    parts, later = fit(4, "parts")
    np.testing.assert_array_equal(whole.get_weights()[0], parts.get_weights()[0])
    for key in logs:
        np.testing.assert_array_equal(logs[key][2:], later[key])
    states = [model.balance_states[""].variables for model in (whole, parts)]
    for a, b in zip(*states, strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b))


@pytest.mark.parametrize("name", ON_VALUES)
def test_text_gives_an_equal_balance(name):
    balance = parse_balance(name)
    assert repr(parse_balance(repr(balance))) == repr(balance)
    assert set(balance.search) <= set(balance.arguments())


def test_validation_does_not_move_the_state():
    model = pulled_apart()
    x = np.ones((8, 1), "float32")
    callback = Balancing("FAMO()")
    logs = model.fit(x, x, validation_data=(x, x), batch_size=1, verbose=0, callbacks=[callback])
    assert float(callback.state.state["steps"]) == 8 and "val_weights/a" in logs.history


def test_a_step_that_overflows_leaves_the_state_alone():
    state = BalanceState(parse_balance("Magnitude()"), NAMES)
    state(ops.convert_to_tensor(VALUES[0]))
    before = {n: np.array(v) for n, v in state.state.items()}
    state(ops.convert_to_tensor([1.0, np.inf, np.nan]))
    for name, value in state.state.items():
        np.testing.assert_array_equal(np.array(value), before[name])


def test_effective_weights_and_shares_of_nested_composites_multiply():
    inner = lossforge.Composite({"x": (3.0, Pull(1.0)), "y": Pull(2.0, 1.0)})
    outer = lossforge.Composite({"in": (0.5, inner), "z": (2.0, Pull(4.0))})
    model = pulled_apart()
    model.compile("sgd", loss=outer)
    logs = model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0, callbacks=[LossMonitor()]).history
    assert [logs[f"weights/{n}"][0] for n in ("in", "in/x", "in/y", "z")] == [0.5, 1.5, 0.5, 2.0]
    assert logs["shares/in"][0] + logs["shares/z"][0] == pytest.approx(1.0)
    assert logs["shares/in/x"][0] + logs["shares/in/y"][0] == pytest.approx(logs["shares/in"][0])


def test_wrong_balances_are_named():
    with pytest.raises(RecipeError, match="Did you mean 'Uncertainty'"):
        Balancing("Uncertainy()")
    with pytest.raises(RecipeError, match="Did you mean 'temperature'"):
        Balancing("DynamicAverage(temprature=1.0)")
    with pytest.raises(RecipeError, match="temperature must be a number"):
        Balancing("DynamicAverage(temperature=-1.0)")
    model = pulled_apart()
    three = Balancing("FixedWeights([1.0, 1.0, 1.0])")
    with pytest.raises(UsageError, match="3 weights for the 2 terms"):
        three.set_model(model)
    model.compile("sgd", loss=Pull())
    with pytest.raises(UsageError, match="two terms or more"):
        model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0, callbacks=[Balancing("FAMO()")])


def test_the_derivative_is_open_to_an_outer_gradient():
    total, slope = balances.derivative(lambda v: ops.sum(v * v), ops.convert_to_tensor([1.0, 2.0]))
    assert float(total) == 5.0 and np.allclose(ops.convert_to_numpy(slope), [2.0, 4.0])
