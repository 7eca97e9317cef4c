"""A formula that a search found is a loss like any other: it trains, is saved, loaded, exported."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from lossforge import Formula, spec
from lossforge.expression import text
from lossforge.search.symbolic.formula_search import Proxy, search_formulas
from lossforge.search.symbolic.population import Training
from lossforge.search.symbolic.slopes import Domain
from lossforge.testing import values_of

X, IDS = load_digits(return_X_y=True)
X = (X / 16).astype("float32")


def found_formula():
    y = np.eye(10, dtype="float32")[IDS]
    training = Training(steps=60, batch=50)
    proxy = Proxy(Domain("multiclass"), X[:500], y[:500], X[500:700], y[500:700], training)
    best = search_formulas(proxy, "random", trainings=64, seed=2).best
    return Formula(text(best.tree), task="multiclass", from_logits=True)


@pytest.fixture(scope="module")
def found():
    return found_formula()


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def test_it_trains_compiled_is_saved_loaded_and_exported(found, policy, tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)]
    )
    model.compile(keras.optimizers.Adam(0.01), found, metrics=["accuracy"], jit_compile=True)
    model.fit(X[:1200], IDS[:1200], batch_size=50, epochs=6, verbose=0)
    value, accuracy = model.evaluate(X[1200:], IDS[1200:], verbose=0)
    assert accuracy > 0.8 and np.isfinite(value)

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.jit_compile and again.loss.get_config() == found.get_config()
    assert again.evaluate(X[1200:], IDS[1200:], verbose=0)[1] == pytest.approx(accuracy)
    again.fit(X[:200], IDS[:200], verbose=0)  # goes on

    if policy == "float32":
        model.export(tmp_path / "exported", verbose=False)
        import tensorflow as tf

        served = tf.saved_model.load(tmp_path / "exported")
        np.testing.assert_allclose(
            served.serve(X[:8]), model.predict(X[:8], verbose=0), rtol=1e-4, atol=1e-4
        )


def test_it_equals_its_text(found):
    logits = np.random.default_rng(0).normal(0.0, 4.0, (40, 10))
    labels = IDS[:40]
    for same in (spec.parse(spec.text(found)), Formula(**found.arguments())):
        assert same.tree == found.tree
        assert np.array_equal(values_of(same, labels, logits), values_of(found, labels, logits))
