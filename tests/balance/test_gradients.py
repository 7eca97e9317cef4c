"""Balances on gradients: each direction against NumPy or SciPy on random gradients."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy.optimize import least_squares, minimize

import lossforge
from lossforge.balance import BALANCES, BalanceState, GradDrop
from lossforge.balance.draws import uniform_at
from lossforge.balance.gradients.small_quadratics import supports
from lossforge.errors import UsageError
from lossforge.spec import parse_balance

ON_GRADIENTS = sorted(n for n, cls in BALANCES.items() if cls.needs_gradients)


def gradients(count, seed, size=6):
    """K gradients, of lengths that differ by a factor of ten, some in conflict."""
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(count, size)) * 10.0 ** rng.uniform(-0.5, 0.5, (count, 1))
    return g, rng.uniform(0.5, 2.0, count)


def coefficients(balance, g, values, steps=1):
    balance = parse_balance(balance)
    state = BalanceState(balance, [str(k) for k in range(len(g))])
    for _ in range(steps):
        matrix = ops.convert_to_tensor(g @ g.T, "float32")
        found, new = balance.coefficients(
            matrix, ops.convert_to_tensor(values, "float32"), state.state
        )
        state.assign(new)
    return np.array(ops.convert_to_numpy(found), "float64")


def on_simplex(objective, count):
    starts = [np.full(count, 1 / count), *(np.eye(count) * 0.9 + 0.1 / count)]
    solutions = [
        minimize(
            objective, start, bounds=[(0, 1)] * count, method="SLSQP",
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        for start in starts
    ]  # fmt: skip
    return min(solutions, key=lambda s: s.fun).x


cases = pytest.mark.parametrize(("count", "seed"), list(itertools.product([2, 3, 5], [0, 1])))


@cases
def test_mgda_is_the_shortest_point_of_the_hull(count, seed):
    g, values = gradients(count, seed)
    expected = count * on_simplex(lambda w: np.sum((w @ g) ** 2), count)
    np.testing.assert_allclose(coefficients("MGDA()", g, values) @ g, expected @ g, atol=1e-4)


@cases
def test_pcgrad_projects_one_pair_at_a_time(count, seed):
    g, values = gradients(count, seed)
    order = np.argsort(ops.convert_to_numpy(uniform_at(0, 0, (count, count))), axis=-1)
    direction = 0.0
    for i in range(count):
        bent = g[i].copy()
        for j in order[i]:
            if j != i and bent @ g[j] < 0:
                bent -= bent @ g[j] / (g[j] @ g[j]) * g[j]
        direction = direction + bent
    np.testing.assert_allclose(
        coefficients("PCGrad()", g, values) @ g, direction, rtol=1e-5, atol=1e-5
    )


@cases
def test_gradvac_turns_towards_the_running_angle(count, seed):
    g, values = gradients(count, seed)
    targets = np.zeros((count, count))
    for step in range(3):
        order = np.argsort(ops.convert_to_numpy(uniform_at(step, 0, (count, count))), axis=-1)
        direction = 0.0
        for i in range(count):
            bent = g[i].copy()
            for j in order[i]:
                if j == i:
                    continue
                own, other, t = np.linalg.norm(bent), np.linalg.norm(g[j]), targets[i, j]
                c = bent @ g[j] / own / other
                if c < t:
                    factor = own * (t * np.sqrt(1 - c * c) - c * np.sqrt(1 - t * t))
                    bent = bent + factor / (other * np.sqrt(1 - t * t)) * g[j]
                targets[i, j] = 0.5 * t + 0.5 * c
            direction = direction + bent
    actual = coefficients("GradVac()", g, values, steps=3) @ g
    np.testing.assert_allclose(actual, direction, rtol=1e-5, atol=1e-5 * np.abs(direction).max())


@cases
def test_cagrad_solves_its_dual(count, seed):
    g, values = gradients(count, seed)
    mean = g.mean(0)
    radius = 0.5 * np.linalg.norm(mean)
    w = on_simplex(lambda w: (w @ g) @ mean + radius * np.linalg.norm(w @ g), count)
    expected = count * (mean + radius / np.linalg.norm(w @ g) * (w @ g)) / 1.25
    actual = coefficients("CAGrad()", g, values) @ g
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


@cases
def test_impartial_gradients_project_alike_on_every_unit_gradient(count, seed):
    g, values = gradients(count, seed)
    w = coefficients("ImpartialGradients()", g, values)
    projections = g @ (w @ g) / np.linalg.norm(g, axis=1)
    np.testing.assert_allclose(projections, projections.mean(), rtol=1e-3)
    assert w.sum() == pytest.approx(count, rel=1e-4)


@cases
def test_aligned_gradients_are_the_nearest_rotation(count, seed):
    """Orthogonal Procrustes: U V' of the SVD, times the least singular value."""
    g, values = gradients(count, seed)
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    expected = s.min() * (u @ vt).sum(0)
    actual = coefficients("AlignedMTL()", g, values) @ g
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5 * np.abs(expected).max())


@cases
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_fair_directions_solve_their_equation(count, seed, alpha):
    g, values = gradients(count, seed)
    matrix = g @ g.T
    solved = least_squares(
        lambda w: matrix @ w - w ** (-1 / alpha), np.full(count, 1 / np.sqrt(matrix.max())),
        bounds=(1e-9, np.inf), xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=5000,
    ).x  # fmt: skip
    expected = count * solved / solved.sum()
    names = [f"FairGrad(alpha={alpha})"] + (["NashMTL()"] if alpha == 1 else [])
    for name in names:
        np.testing.assert_allclose(coefficients(name, g, values), expected, rtol=2e-5)


@cases
def test_upgrad_projects_each_gradient_onto_the_dual_cone(count, seed):
    g, values = gradients(count, seed)
    direction = 0.0
    for each in g:
        direction = direction + minimize(
            lambda d, each=each: np.sum((d - each) ** 2), each, method="SLSQP",
            constraints={"type": "ineq", "fun": lambda d: g @ d},
            options={"ftol": 1e-14, "maxiter": 1000},
        ).x  # fmt: skip
    actual = coefficients("UPGrad()", g, values) @ g
    np.testing.assert_allclose(actual, direction, atol=5e-5 * np.abs(direction).max())


@cases
def test_dual_balancing_makes_log_gradients_equally_long(count, seed):
    g, values = gradients(count, seed)
    h = g / values[:, None]
    length = np.linalg.norm(h, axis=1)
    expected = length.max() * np.sum(h / length[:, None], 0)
    np.testing.assert_allclose(
        coefficients("DBMTL()", g, values) @ g, expected, rtol=1e-5, atol=1e-6
    )


def test_gradnorm_rests_where_lengths_follow_the_training_rates():
    g, _ = gradients(3, 0)
    w = coefficients("GradNorm(alpha=0.0, learning_rate=0.005)", g, np.ones(3), steps=1500)
    norms = w * np.linalg.norm(g, axis=1)
    np.testing.assert_allclose(norms, norms.mean(), rtol=0.02)
    assert w.sum() == pytest.approx(3.0, rel=1e-4)


@pytest.mark.parametrize("leak", [0.0, 0.3])
def test_graddrop_lets_one_sign_pass_at_each_weight(leak):
    g, _ = gradients(4, 0, size=2000)
    balance = GradDrop(leak, seed=3)
    state = {"steps": ops.convert_to_tensor(0.0)}
    actual = ops.convert_to_numpy(balance.direction(ops.convert_to_tensor(g, "float32"), 2, state))
    draw = ops.convert_to_numpy(uniform_at(0, 3 + 7919 * 2, (2000,)))
    purity = 0.5 * (1 + g.sum(0) / np.abs(g).sum(0))
    keep = np.where(purity > draw, g > 0, g < 0)
    np.testing.assert_allclose(
        actual, (g * (leak + (1 - leak) * keep)).sum(0), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", [n for n in ON_GRADIENTS if n != "GradDrop"])
def test_hopeless_gramians_give_finite_coefficients(name):
    for g in (np.zeros((3, 4)), np.ones((3, 4)), np.array([[1.0, 0], [-1.0, 0], [0, 0]])):
        assert np.all(np.isfinite(coefficients(name, g, np.ones(3)))), g


def test_more_terms_than_can_be_enumerated_are_refused():
    with pytest.raises(UsageError, match="at most 8 terms"):
        supports(9)


def two_heads(scale=1.0):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    trunk = keras.layers.Dense(8, activation="tanh", name="trunk")(inputs)
    return keras.Model(inputs, {n: keras.layers.Dense(1, name=n)(trunk) for n in "ab"})


RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("float32")
Y = {"a": X[:, :1] - X[:, 1:2], "b": 10 * (X[:, :1] + 0.3 * X[:, 2:3])}
HELD_OUT = {name: y[:12] for name, y in Y.items()}
LOSSES = {"a": lossforge.Huber(delta=100.0), "b": lossforge.Huber(delta=100.0)}


def trained(balance, network=None, epochs=2, callbacks=(), **options):
    network = network or two_heads()
    model = lossforge.forge(network, LOSSES, balance=balance, validation=(X[:12], HELD_OUT))
    model.compile(keras.optimizers.SGD(0.01), **options)
    logs = model.fit(
        X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks
    ).history
    return model, logs


def test_without_conflict_pcgrad_is_the_plain_sum():
    Z = {"a": Y["a"], "b": 3 * Y["a"]}
    results = []
    for balance in (None, "PCGrad()"):
        network = two_heads()
        network.get_layer("b").set_weights(network.get_layer("a").get_weights())
        model = lossforge.forge(network, LOSSES, balance=balance)
        model.compile(keras.optimizers.SGD(0.001))
        model.fit(X, Z, batch_size=8, shuffle=False, verbose=0)
        results.append(network.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_every_gradient_balance_trains_through_fit(name):
    model, logs = trained(name, epochs=6)
    assert logs["loss"][-1] < logs["loss"][0]
    assert {"terms/a", "weights/b", "shares/a", "cosines/a/b"} <= set(logs)


def test_validation_logs_have_terms_and_no_cosines():
    model, _ = trained("MGDA()")
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert "terms/a" in logs and "cosines/a/b" not in logs


@pytest.mark.parametrize("name", ["GradNorm()", "GradVac()"])
def test_a_gradient_balance_in_two_parts_is_bit_equal_to_one(name, tmp_path):
    def fit(epochs, folder):
        backup = keras.callbacks.BackupAndRestore(tmp_path / folder, delete_checkpoint=False)
        return trained(name, epochs=epochs, callbacks=[backup])[0].network.get_weights()

    whole = fit(4, "whole")
    fit(2, "parts")
    for a, b in zip(whole, fit(4, "parts"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_use_of_gradient_balances_is_named():
    with pytest.raises(UsageError, match="held out: give validation="):
        lossforge.forge(two_heads(), LOSSES, balance="AutoLambda()")
    with pytest.raises(UsageError, match="needs only values"):
        lossforge.forge(two_heads(), LOSSES, balance="Uncertainty()")
    with pytest.raises(UsageError, match="leave out of="):
        lossforge.callbacks.Balancing("PCGrad()", of="a")
    with pytest.raises(UsageError, match="two terms or more"):
        lossforge.forge(two_heads(), {"a": LOSSES["a"]}, balance="PCGrad()")
    with pytest.raises(UsageError, match="Did you mean|No output"):
        model = lossforge.forge(two_heads(), {"c": LOSSES["a"]})
        model.compile("sgd")
        model.fit(X, Y, verbose=0)
