"""JAX, and two devices: the numbers of one plain device."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, sys
import numpy as np
mode, balance = sys.argv[1:3]
import keras
if mode == "mirrored":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
else:
    import contextlib
    scope = contextlib.nullcontext()
import lossforge
from lossforge.callbacks import Anneal, Balancing
from lossforge.schedules import linear
rng = np.random.default_rng(0)
x = rng.normal(size=(64, 4)).astype("float32")
y = {"a": (x[:, :1] - x[:, 1:2]), "b": (10 * x[:, :1] + 3 * x[:, 2:3])}
with scope:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    trunk = keras.layers.Dense(8, activation="tanh")(inputs)
    heads = {n: keras.layers.Dense(1, dtype="float32")(trunk) for n in "ab"}
    losses = {"a": lossforge.SmoothL1(), "b": lossforge.Huber(delta=2.0)}
    network = keras.Model(inputs, heads)
    from lossforge.spec import parse_balance
    gradients = parse_balance(balance).needs_gradients
    model = lossforge.forge(network, losses, balance=balance if gradients else None)
    model.compile(keras.optimizers.SGD(0.05))
callbacks = [Anneal("b.delta", linear(2.0, 0.5, steps=12))]
callbacks += [] if gradients else [Balancing(balance)]
fit = dict(batch_size=16, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
logs = model.fit(x, y, **fit).history
print(json.dumps({n: v for n, v in logs.items() if "shares" not in n}))
"""


def logs_of(mode, balance):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["KERAS_BACKEND"] = "jax" if mode == "jax" else "tensorflow"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode, balance],
        capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def plain():
    kept = {}
    return lambda balance: (
        kept.setdefault(balance, None)
        or kept.update({balance: logs_of("plain", balance)})
        or kept[balance]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "balance", "tolerance"),
    [
        ("jax", "Uncertainty()", 2e-2), ("mirrored", "Uncertainty()", 1e-4),
    ],
)  # fmt: skip
def test_the_numbers_are_those_of_one_plain_device(mode, balance, tolerance, plain):
    expected, actual = plain(balance), logs_of(mode, balance)
    if mode == "jax":  # other draws of the first weights: it must learn and move on
        assert actual["loss"][-1] < actual["loss"][0]
        assert actual["parameters/b.delta"] == expected["parameters/b.delta"]
        assert actual["weights/a"][0] != actual["weights/a"][-1]
        return
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        assert actual[name] == pytest.approx(values, rel=tolerance, abs=tolerance), name
