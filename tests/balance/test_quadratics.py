"""Every Balance on two quadratics, where what it must do is known in closed form.

    L_a = a/2 |x - p|^2 + floor,    L_b = b/2 |x - q|^2 + floor,    x in the plane

The Pareto set is the segment from p to q; at p + t (q - p) the two gradients point apart. The
weighted sum w_a L_a + w_b L_b is least at t = w_b b / (w_a a + w_b b).
"""

import numpy as np
import pytest
import tensorflow as tf

from lossforge.balance import BALANCES
from lossforge.balance.base import derivative
from lossforge.spec import parse_balance

P, Q = np.array([1.0, 0.5], "float32"), np.array([-1.0, 1.5], "float32")
A, B = 4.0, 1.0
GAP = float(np.sum((Q - P) ** 2))
PLAIN = B / (A + B)


def losses_at(x, a=A, b=B, floor=0.0):
    terms = [a / 2 * tf.reduce_sum((x - P) ** 2), b / 2 * tf.reduce_sum((x - Q) ** 2)]
    return tf.stack(terms) + floor, tf.stack([a * (x - P), b * (x - Q)])


def descend(text, steps, rate=0.01, a=A, b=B, floor=0.0, start=(0.0, -2.0), epochs=1):
    """Plain gradient descent under a Balance: (end, every point on the way, last weights)."""
    rule = parse_balance(text)
    state = {n: tf.constant(v, tf.float32) for n, v in rule.start(["a", "b"]).items()}

    def on_gradients(values, g, state):
        weights, new = rule.coefficients(g @ tf.transpose(g), values, state)
        has_direction = hasattr(rule, "direction")
        way = rule.direction(g, 0, state) if has_direction else tf.linalg.matvec(g, weights, True)
        return way, weights, {**state, **new}

    def on_values(values, g, state):
        after = {**state, **rule.update(values, state)}
        use = after if rule.update_first else state
        _, weights = derivative(lambda v: rule.total(v, use), values)
        return tf.linalg.matvec(g, weights, True), weights, after

    @tf.function
    def run(x, state):
        way = tf.TensorArray(tf.float32, steps)
        weights = tf.ones(2)
        for i in tf.range(steps):
            values, g = losses_at(x, a, b, floor)
            step = on_gradients if rule.needs_gradients else on_values
            towards, weights, state = step(values, g, state)
            x = x - rate * towards
            way = way.write(i, x)
        return x, way.stack(), weights, state

    x, points = tf.constant(start), []
    for _ in range(epochs):
        begun = rule.begin_epoch({n: v.numpy() for n, v in state.items()})
        state |= {n: tf.constant(v, tf.float32) for n, v in begun.items()}
        x, way, weights, state = run(x, state)
        points.append(way.numpy())
    return x.numpy(), np.concatenate(points), weights.numpy()


def place(x):
    """(t along the segment from p to q, distance from its line)."""
    along = (Q - P) / np.sqrt(GAP)
    t = float((x - P) @ along) / np.sqrt(GAP)
    return t, float(np.linalg.norm(x - P - t * (Q - P)))


def values_at(t, a=A, b=B, floor=0.0):
    return np.array([a / 2 * t**2 * GAP, b / 2 * (1 - t) ** 2 * GAP]) + floor


def rest(weights_of, floor=0.0, a=A, b=B):
    """t where w_a(t) a t = w_b(t) b (1 - t), by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        t = (low + high) / 2
        wa, wb = weights_of(values_at(t, a, b, floor))
        low, high = (t, high) if wa * a * t < wb * b * (1 - t) else (low, t)
    return t


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


START = losses_at(tf.constant((0.0, -2.0)), floor=0.5)[0].numpy()
AT_REST = {  # weights where nothing moves any more, as functions of the values
    "FixedWeights([1.0, 3.0])": lambda v: (1.0, 3.0),
    "Magnitude(decay=0.5)": lambda v: 1 / v,
    "Uncertainty(learning_rate=0.1)": lambda v: 1 / v,
    "ImpartialLosses(learning_rate=0.1)": lambda v: 1 / v,
    "GeometricMean()": lambda v: 1 / v,
    "FAMO(decay=0.1)": lambda v: 1 / v,
    "AnalyticUncertainty(temperature=1.0)": lambda v: softmax(1 / v),
    "SmoothTchebycheff(mu=0.5, warmup_steps=1)": lambda v: softmax(v / START / 0.5) / START,
    # relative changes are gone at rest, and with them what these weigh by
    "SoftAdapt(relative=False)": lambda v: (1.0, 1.0),
    "ReLoBRaLo(decay=0.9, memory=1.0)": lambda v: (1.0, 1.0),
    "ReLoBRaLo(decay=0.5, memory=0.0)": lambda v: 0.5 * 2 * softmax(v / START) + 0.5,
}


@pytest.mark.parametrize("text", AT_REST)
def test_a_balance_on_values_rests_where_its_weights_say(text):
    x, _, weights = descend(text, 4000, 0.01, floor=0.5)
    t, aside = place(x)
    assert aside < 1e-3
    expected = rest(AT_REST[text], floor=0.5)
    assert t == pytest.approx(expected, abs=2e-3)
    ratio = AT_REST[text](values_at(t, floor=0.5))
    assert weights[0] / weights[1] == pytest.approx(ratio[0] / ratio[1], rel=1e-2)


def test_dynamic_average_rests_at_the_plain_sum():
    x, _, weights = descend("DynamicAverage(temperature=10.0)", 200, 0.01, floor=0.5, epochs=12)
    assert place(x) == pytest.approx((PLAIN, 0.0), abs=1e-3)
    np.testing.assert_allclose(weights, 1.0, rtol=1e-4)


def test_random_weights_hover_around_the_plain_sum():
    _, way, _ = descend("RandomWeights()", 6000, 0.005)
    assert place(way[1000:].mean(0)) == pytest.approx((PLAIN, 0.0), abs=0.02)


def test_coefficient_of_variation_follows_the_statistics_of_its_way():
    """Weights after 40 steps, from the values that NumPy computes along the way."""
    _, way, weights = descend("CoefficientOfVariation()", 40, 0.01, floor=0.5)
    points = np.concatenate([[[0.0, -2.0]], way[:-1]])
    rows = np.stack([losses_at(tf.constant(x, tf.float32), floor=0.5)[0].numpy() for x in points])
    before = np.stack([rows[0], *[rows[:t].mean(0) for t in range(1, len(rows))]])
    ratios = rows / before
    c = ratios.std(0) / ratios.mean(0)
    np.testing.assert_allclose(weights, 2 * c / c.sum(), rtol=1e-3)


PLAIN_SUM = ["CAGrad()", "AlignedMTL()", "GradVac()"]
ANY_PARETO_POINT = [
    "MGDA()", "MGDA(normalise='length')", "PCGrad()", "ImpartialGradients()", "NashMTL()",
    "FairGrad(alpha=2.0)", "UPGrad()", "DBMTL()", "GradNorm(alpha=0.0)",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN_SUM)
def test_these_rest_where_the_mean_gradient_is_zero(text):
    x, *_ = descend(text, 3000, 0.01)
    assert place(x) == pytest.approx((PLAIN, 0.0), abs=5e-3)


@pytest.mark.parametrize("text", ANY_PARETO_POINT)
def test_these_rest_on_the_pareto_set(text):
    """No direction improves both there: x lies on the segment, and the way led nowhere else."""
    x, way, _ = descend(text, 2000, 0.01, floor=0.5)
    t, aside = place(x)
    assert aside < 0.02 and -0.01 < t < 1.01


@pytest.mark.parametrize("text", ["MGDA()", "UPGrad()", "NashMTL()", "CAGrad(c=0.9)"])
def test_no_step_on_the_way_makes_a_term_worse(text):
    _, way, _ = descend(text, 300, 0.01, start=(3.0, -2.0))
    values = np.stack([losses_at(tf.constant(x))[0].numpy() for x in way])
    slack = 1e-4 * values[0] if text.startswith("CAGrad") is False else 1e-2 * values[0]
    assert np.all(np.diff(values, axis=0) <= slack)


@pytest.mark.parametrize("text", ["NashMTL()", "ImpartialGradients()"])
def test_the_way_does_not_change_when_a_term_is_scaled(text):
    """Only the length of the steps may: the direction at a point is the same."""
    g = losses_at(tf.constant([3.0, -2.0]))[1].numpy()
    rule, ways = parse_balance(text), []
    for factor in (1.0, 1000.0):
        scaled = g * [[factor], [1.0]]
        gramian = tf.constant(scaled @ scaled.T, tf.float32)
        way = rule.coefficients(gramian, tf.ones(2), {})[0].numpy() @ scaled
        ways.append(way / np.linalg.norm(way))
    np.testing.assert_allclose(ways[0], ways[1], atol=2e-3)


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_gradnorm_rests_where_both_terms_have_fallen_by_the_same_share(alpha):
    """w |g| equal (no gradient left) and proportional to r^alpha: so r_a = r_b."""
    text = f"GradNorm(alpha={alpha}, learning_rate=0.002)"
    x, _, weights = descend(text, 12000, 0.005)
    first = losses_at(tf.constant((0.0, -2.0)))[0].numpy()
    share = np.sqrt(first[0] / A) / np.sqrt(first[1] / B)
    expected = share / (1 + share)  # a t^2 / L_a0 = b (1 - t)^2 / L_b0
    t, aside = place(x)
    assert (t, aside) == pytest.approx((expected, 0.0), abs=0.02)
    assert weights[0] * A * t == pytest.approx(weights[1] * B * (1 - t), rel=0.05)


def test_graddrop_hovers_around_equal_gradients():
    """On the axis of one variable: p |g_a|^2 = (1 - p) |g_b|^2 in the mean, so |g_a| = |g_b|."""
    _, way, _ = descend("GradDrop()", 8000, 0.002)
    assert place(way[2000:].mean(0))[0] == pytest.approx(PLAIN, abs=0.03)


def test_every_balance_is_here():
    texts = [*AT_REST, *PLAIN_SUM, *ANY_PARETO_POINT, "GradNorm", "GradDrop", "DynamicAverage",
             "RandomWeights", "CoefficientOfVariation", "AutoLambda"]  # fmt: skip
    assert set(BALANCES) == {text.partition("(")[0] for text in texts}


def test_auto_lambda_drops_the_term_that_hurts_the_held_out_loss():
    """The held-out loss is a's: with products of its slope, b's weight falls to 0."""
    rule = parse_balance("AutoLambda(learning_rate=0.02, primary=['a'])")
    state = {n: tf.constant(v, tf.float32) for n, v in rule.start(["a", "b"]).items()}

    @tf.function
    def run(x, state):
        for _ in tf.range(2000):
            values, g = losses_at(x)
            weights, _ = rule.coefficients(g @ tf.transpose(g), values, state)
            ahead = x - 0.01 * tf.linalg.matvec(g, weights, True)
            slope = losses_at(ahead)[1][0]
            state = {**state, **rule.learn(tf.linalg.matvec(g, slope), state)}
            x = ahead
        return x, state

    x, state = run(tf.constant([0.0, -2.0]), state)
    np.testing.assert_allclose(x.numpy(), P, atol=1e-3)
    assert state["weights"][1] < 0.1 < state["weights"][0]
