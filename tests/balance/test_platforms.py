"""JAX, two devices, XLA, several steps a call, half precision: the numbers of one plain device."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import lossforge
from lossforge.balance import BALANCES
from lossforge.callbacks import Balancing
from lossforge.spec import parse_balance

PROGRAM = Path(__file__).parent / "platform_program.py"
ON_VALUES = sorted(n for n, cls in BALANCES.items() if not cls.needs_gradients)
ON_GRADIENTS = sorted(n for n, cls in BALANCES.items() if cls.needs_gradients)
EVERYWHERE = ["none", "Uncertainty()", "DynamicAverage()", "PCGrad()", "NashMTL()", "AutoLambda()"]


@functools.cache
def logs_of(mode, balances):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["KERAS_BACKEND"] = "jax" if mode == "jax" else "tensorflow"
    done = subprocess.run(
        [sys.executable, PROGRAM, mode, json.dumps(balances)],
        capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("balance", EVERYWHERE)
def test_two_devices_give_the_numbers_of_one(balance):
    expected = logs_of("plain", tuple(EVERYWHERE))[balance]
    actual = logs_of("mirrored", tuple(EVERYWHERE))[balance]
    assert actual.keys() == expected.keys()
    if balance == "none":
        assert "cosines/a/b" in actual
    for name, values in expected.items():
        assert actual[name] == pytest.approx(values, rel=2e-4, abs=2e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_VALUES)
def test_every_balance_on_values_trains_on_jax(name):
    """Other draws of the first weights: it learns, and schedules and states move on."""
    logs = logs_of("jax", tuple(ON_VALUES))[name]
    assert logs["terms/b"][-1] < logs["terms/b"][0]
    assert logs["parameters/b.delta"] == pytest.approx([1.625, 1.125, 0.625])
    if name not in ("FixedWeights", "DynamicAverage"):  # which has nothing to go by so early
        assert logs["weights/a"][0] != logs["weights/a"][-1]


@pytest.mark.slow
def test_what_jax_cannot_do_is_refused_and_what_it_can_is_there(tmp_path):
    program = """
import sys, numpy as np, keras, lossforge, pytest
from lossforge.callbacks import Balancing, GradientMonitor, StopOnNaN
from lossforge.errors import UsageError
x = np.ones((16, 2), "float32"); y = x[:, :1].copy(); y[9] = np.nan
terms = {"good": lossforge.MSE(), "l1": lossforge.MAE()}
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", loss=lossforge.Composite(terms), steps_per_execution=int(sys.argv[2]))
for callback in (Balancing("PCGrad()"), GradientMonitor()):
    with pytest.raises(UsageError, match="KERAS_BACKEND=tensorflow, not 'jax'"):
        model.fit(x, y, verbose=0, callbacks=[callback])
with pytest.raises(UsageError, match="KERAS_BACKEND=tensorflow, not 'jax'"):
    lossforge.forge(model, terms, balance="PCGrad()").compile("sgd")
stop = StopOnNaN(sys.argv[1])
model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[stop])
assert "at step 3 of epoch 1" in stop.reason and "terms/l1" in stop.reason, stop.reason
assert np.array_equal(np.load(sys.argv[1])["y"], y[8:12], equal_nan=True)
"""
    for steps in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / f"{steps}.npz"), steps],
            capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "jax"}, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]


RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = {"a": X[:, :1] - X[:, 1:2], "b": 10 * X[:, :1] + 3 * X[:, 2:3]}


def trained(balance, **options):
    keras.utils.set_random_seed(0)
    rule = balance and parse_balance(balance)
    inputs = keras.Input((4,))
    trunk = keras.layers.Dense(8, activation="tanh")(inputs)
    heads = {n: keras.layers.Dense(1, dtype="float32")(trunk) for n in "ab"}
    losses = {"a": lossforge.SmoothL1(), "b": lossforge.Huber(delta=2.0)}
    on_gradients = rule is not None and rule.needs_gradients
    network = keras.Model(inputs, heads)
    model = lossforge.forge(network, losses, balance=balance if on_gradients else None)
    model.compile(keras.optimizers.SGD(0.02), **options)
    callbacks = [Balancing(balance)] if rule is not None and not on_gradients else []
    logs = model.fit(
        X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0, callbacks=callbacks
    ).history
    return model, logs


plain = functools.cache(trained)
KINDS = [None, "Uncertainty()", "PCGrad()", "NashMTL()"]


@pytest.mark.parametrize("balance", KINDS)
@pytest.mark.parametrize("option", ["jit_compile", "steps_per_execution"])
def test_xla_and_several_steps_a_call_change_no_number(balance, option):
    _, expected = plain(balance)
    _, actual = trained(
        balance, **{option: {"jit_compile": True, "steps_per_execution": 2}[option]}
    )
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        assert actual[name] == pytest.approx(values, rel=1e-4, abs=1e-5), name


@pytest.mark.slow
@pytest.mark.parametrize("balance", [n for n in ON_GRADIENTS if n != "AutoLambda"])
def test_xla_solves_what_every_balance_on_gradients_needs(balance):
    _, expected = plain(balance)
    _, actual = trained(balance, jit_compile=True)
    # GradDrop draws signs: one whose probability is near its draw may fall the other way.
    tolerance = 1e-2 if balance == "GradDrop" else 1e-3
    assert actual["loss"] == pytest.approx(expected["loss"], rel=tolerance)


@pytest.mark.filterwarnings("ignore:mixed_float16 on a CPU")
@pytest.mark.parametrize("balance", KINDS)
def test_half_precision_with_loss_scaling_stays_close(balance):
    _, expected = plain(balance)
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model, actual = trained(balance)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    for name, values in expected.items():
        assert actual[name] == pytest.approx(values, rel=0.05, abs=0.02), name
