"""Norms and cosines of gradients in the logs, and a training that does not feel it."""

import keras
import numpy as np
import pytest

import lossforge
from lossforge.callbacks import GradientMonitor
from lossforge.errors import UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")


def model_of(terms, dropout=0.0, **options):
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((3,)),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(1, use_bias=False),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1), loss=lossforge.Composite(terms), **options)
    return model


TERMS = {"mse": (2.0, lossforge.MSE()), "mae": lossforge.MAE()}


@pytest.mark.parametrize("jit_compile", [False, True])
def test_norms_and_cosines_are_those_of_pen_and_paper(jit_compile):
    model = model_of(TERMS, jit_compile=jit_compile)
    w = model.get_weights()[0]
    logs = model.fit(X, Y, batch_size=24, verbose=0, callbacks=[GradientMonitor()]).history
    error = X @ w - Y
    a = 2.0 * np.mean(2.0 * error * X, axis=0)  # with its weight of 2
    b = np.mean(np.sign(error) * X, axis=0)
    assert logs["gradient_norms/mse"][0] == pytest.approx(np.linalg.norm(a), rel=1e-5)
    assert logs["gradient_norms/mae"][0] == pytest.approx(np.linalg.norm(b), rel=1e-5)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert logs["cosines/mse/mae"][0] == pytest.approx(cosine, rel=1e-5)


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_a_monitored_training_is_bit_equal_to_one_that_is_not(steps_per_execution):
    weights = []
    for callbacks in ([], [GradientMonitor(every=2)]):
        model = model_of(TERMS, dropout=0.5, steps_per_execution=steps_per_execution)
        balance = lossforge.callbacks.Balancing("FAMO()")
        logs = model.fit(
            X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False, validation_data=(X, Y),
            callbacks=[*callbacks, balance],
        ).history  # fmt: skip
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(name.startswith(("val_cosines", "val_gradient_norms")) for name in logs)
    assert "train_step" not in vars(model)


@pytest.mark.parametrize(("every", "measured"), [(1, [0, 1, 2, 3]), (2, [0, 2]), (3, [0, 3])])
def test_the_first_step_of_an_epoch_and_every_nth_are_measured(every, measured):
    """One example a batch, weights that stay at 0: |g| of the squared error is 2 |y| |x|."""
    x, y = np.ones((4, 3), "float32"), np.array([[1.0], [2.0], [4.0], [8.0]], "float32")
    model = model_of({"a": lossforge.MAE(), "b": lossforge.MSE()})
    model.compile(keras.optimizers.SGD(0.0), loss=model.loss)
    model.set_weights([np.zeros((3, 1))])
    logs = model.fit(
        x, y, batch_size=1, epochs=2, shuffle=False, verbose=0,
        callbacks=[GradientMonitor(every=every)],
    ).history  # fmt: skip
    expected = np.mean([2 * y[i, 0] * np.sqrt(3) for i in measured])
    assert logs["gradient_norms/b"] == pytest.approx([expected] * 2, rel=1e-5)
    assert logs["cosines/a/b"] == pytest.approx([1.0] * 2, rel=1e-5)


def test_wrong_use_is_named():
    with pytest.raises(UsageError, match="every must be a whole number"):
        GradientMonitor(every=0)
    model = model_of({"mse": lossforge.MSE()})
    with pytest.raises(UsageError, match="two terms or more"):
        model.fit(X, Y, verbose=0, callbacks=[GradientMonitor()])
