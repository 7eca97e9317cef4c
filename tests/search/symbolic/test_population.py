"""Slopes from tables equal the gradient of `Formula`, and populations train as `fit` does."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from lossforge import Formula
from lossforge.expression import read, text
from lossforge.search.symbolic import dual
from lossforge.search.symbolic.curves import Curves
from lossforge.search.symbolic.output_slopes import boxes_of, slopes_of
from lossforge.search.symbolic.population import Training, train_population
from lossforge.search.symbolic.slopes import Domain
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(0)
CLASSIFIERS = (
    "-y*log(p)*(1-p)**0.5 - (1-y)*p**2*log(1-p)",
    "aq(1, 1 + y - aq(p, 1))",
    "(y*sqrt(1/p) + (1-y)*p*exp(square(p)) - y)/2",
    "tanh(square(y-p)) + erf((y-p)**3) + sin(min(abs(y-p), 2)) - cos(y - p) + atan(p)",
    "max(y/(p + 0.1), (p + 0.1)/(y + 0.1)) + (0.2 + y)**(p - 3)",
    "softplus(4*p - y) + sigmoid(neg(p)*y) + exp(-2*log(p + 0.3)) + (p - 2)**-2 + abs(p)",
)
WITH_LOGITS = ("softplus(-(2*y-1)*x) + aq(x, y)", "square(tanh(x) - y) + log(1 + exp(x/2))")


def reference(formula, task, y, logits, **options):
    return gradient_of(Formula(formula, task=task, **options, dtype="float64"), y, logits)


@pytest.mark.parametrize("formula", CLASSIFIERS)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_slopes_of_classifiers_equal_the_gradient_of_the_formula(formula, task):
    domain, logits = Domain(task), RNG.normal(0.0, 3.0, (64, 5))
    logits[:3] = 8.0 * np.sign(logits[:3])
    ids = RNG.integers(0, 5, 64)
    bits = np.eye(5)[ids] if task == "multiclass" else RNG.integers(0, 2, (64, 5))
    trees = [read(formula, {}, ("y", "p", "x"))] * 2
    ours = slopes_of(domain, trees)(np.stack([logits] * 2).astype("float32"), bits)
    expected = reference(
        formula, task, ids if task == "multiclass" else bits, logits, from_logits=True
    )
    for found in ours * 64:
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("formula", WITH_LOGITS)
def test_slopes_of_formulas_that_read_logits(formula):
    domain, logits = Domain("binary"), RNG.normal(0.0, 3.0, (64, 1))
    bits = RNG.integers(0, 2, (64, 1))
    trees = [read(formula, {}, ("y", "p", "x"))]
    ours = slopes_of(domain, trees)(logits[None].astype("float32"), bits)[0] * 64
    expected = reference(formula, "binary", bits, logits, from_logits=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_slopes_with_class_priors():
    prior, logits = (0.1, 0.2, 0.7), RNG.normal(0.0, 2.0, (64, 3))
    ids, formula = RNG.integers(0, 3, 64), "-y*log(p)*prior + square(p - y)*log(prior)"
    domain = Domain("multiclass", prior)
    trees = [read(formula, {}, ("y", "p", "prior"))]
    ours = slopes_of(domain, trees)(logits[None].astype("float32"), np.eye(3)[ids])[0] * 64
    expected = reference(formula, "multiclass", ids, logits, from_logits=True, prior=prior)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_slopes_of_embeddings():
    formula = "y*square(d) + (1 - y)*exp(-3*d)"
    embeddings, ids = RNG.normal(size=(24, 6)), RNG.integers(0, 4, 24)
    domain = Domain("embedding")
    trees = [read(formula, {}, ("y", "d"))]
    ours = slopes_of(domain, trees)(embeddings[None].astype("float32"), ids)[0] * 24
    expected = reference(formula, "embedding", ids, embeddings)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


def test_slopes_of_boxes():
    """Against differences of the value: outputs are logits of centre and sides."""
    formula = "square(1 - iou) + 1 - ioe + 0.3*square(uoe)"
    outputs = RNG.normal(0.0, 0.7, (40, 4))
    target = boxes_of(RNG.normal(0.0, 0.7, (40, 4)))
    domain, loss = Domain("boxes"), Formula(formula, task="boxes", dtype="float64")
    ours = slopes_of(domain, [read(formula, {}, ("iou", "ioe", "uoe"))])
    found = ours(outputs[None].astype("float32"), target)[0] * 40
    for column in range(4):
        step = np.eye(4)[column] * 1e-6
        sides = [values_of(loss, target, boxes_of(outputs + s)) for s in (step, -step)]
        np.testing.assert_allclose(found[:, column], (sides[0] - sides[1]) / 2e-6, atol=2e-3)


@pytest.mark.parametrize("formula", (*CLASSIFIERS, *WITH_LOGITS, "log(x) + sqrt(x) + x**0.5 + 1/x"))
def test_values_of_duals_equal_the_formula_far_out(formula):
    logits = np.linspace(-40.0, 40.0, 801)[:, None]
    tree = read(formula, {}, ("y", "p", "x"))
    for y in (0.0, 1.0):
        bits = np.full_like(logits, y)
        ours = dual.evaluate(tree, Domain("binary").variables_at(logits, bits))[0]
        loss = Formula(formula, task="binary", from_logits=True, dtype="float64")
        np.testing.assert_allclose(ours[:, 0], values_of(loss, bits, logits), rtol=1e-6, atol=1e-9)


def digits():
    x, ids = load_digits(return_X_y=True)
    return (x / 16).astype("float32"), ids


def by_fit(formula, training, x, ids, seen):
    network = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(training.units, "relu"), keras.layers.Dense(10)]
    )
    network.set_weights(training.first_weights(64, 10))
    loss = Formula(formula, task="multiclass", from_logits=True, dtype=keras.config.floatx())
    network.compile(keras.optimizers.Adam(training.learning_rate), loss)
    order = training.order(len(x)).ravel()
    network.fit(x[order], ids[order], batch_size=training.batch, shuffle=False, verbose=0)
    return network(seen).numpy()


def gaps_to_fit(trees, steps, dtype="float32"):
    """For each formula, how far the accuracies of a population and of `fit` lie apart."""
    x, ids = digits()
    x, training = x.astype(dtype), Training(steps=steps)
    before = keras.config.floatx(), keras.config.dtype_policy()
    y = np.eye(10, dtype=dtype)[ids[:1200]]
    exact = dtype == "float64"
    found = train_population(trees, Domain("multiclass"), x[:1200], y, [x], training, exact=exact)[
        0
    ]
    gaps = []
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        for tree, ours in zip(trees, found, strict=True):
            fitted = by_fit(text(tree), training, x[:1200], ids[:1200], x)
            right = [(outputs.argmax(-1) == ids).mean() for outputs in (ours, fitted)]
            gaps.append(abs(right[0] - right[1]))
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])
    return np.array(gaps)


def test_a_population_ends_where_fit_ends():
    trees = [read(f, {}, ("y", "p")) for f in CLASSIFIERS[:2]]
    for dtype in ("float32", "float64"):
        gaps = gaps_to_fit(trees, 60, dtype)
        assert np.all(gaps <= 1e-3), gaps


def test_a_formula_trains_the_same_alone_and_among_others():
    x, ids = digits()
    y = np.eye(10, dtype="float32")[ids]
    trees = [read(f, {}, ("y", "p")) for f in CLASSIFIERS]
    training = Training(steps=30)
    together = train_population(trees * 8, Domain("multiclass"), x, y, [x], training)[0]
    alone = train_population(trees[1:2], Domain("multiclass"), x, y, [x], training)[0]
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "formula",
    [
        "y*max(p, 0.31) - (1 - y)*max(0.4, p)",
        "abs(y - 0.3 - p)",
        "min(x, 1.234)*max(x, -2.7) + abs(x)",
        "tanh(max(p, y - p) - y)",
    ],
)
def test_tables_follow_the_jumps_of_a_slope(formula):
    tree, domain = read(formula, {}, ("y", "p", "x")), Domain("binary")
    curves = Curves(domain.table([tree]), *domain.range)
    at = np.random.default_rng(0).uniform(-10.0, 10.0, (20_000, 1)).astype("float32")
    for label in (0.0, 1.0):
        labels = np.full(at.shape, label)
        found = curves.at(at[None], labels)[0]
        exact = dual.evaluate(tree, domain.variables_at(at.astype(float), labels))[1]
        off = np.abs(found - np.broadcast_to(exact, at.shape))
        assert np.quantile(off, 0.999) < 1e-5  # beyond is nearer to a jump than the table resolves


def test_what_is_not_a_number_stays_so_in_a_table():
    domain = Domain("multiclass")
    curves = Curves(domain.table([("mul", "y", "p")] * 2), *domain.range)
    places = np.array([[[np.nan, 0.0]], [[1e30, -1e30]]], "float32")
    with np.errstate(invalid="ignore"):  # as in training
        found = curves.at(places, np.ones((1, 2)))
    assert np.isnan(found[0, 0, 0]) and np.isfinite(found).sum() == 3
