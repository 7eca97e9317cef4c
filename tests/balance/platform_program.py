"""Trains a small model of two outputs under each Balance named, and prints its logs as JSON.

python platform_program.py plain|mirrored|jax '["none", "Uncertainty()", "PCGrad()"]'
"""

import contextlib
import json
import sys

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = {"a": X[:, :1] - X[:, 1:2], "b": 10 * X[:, :1] + 3 * X[:, 2:3]}


def main(mode, balances):
    scope = two_devices() if mode == "mirrored" else contextlib.nullcontext
    found = {balance: logs_of(balance, scope, mode != "jax") for balance in json.loads(balances)}
    print(json.dumps(found))


def two_devices():
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope


def logs_of(balance, scope, gradients):
    import keras  # the backend comes from the environment, devices before it

    import lossforge
    from lossforge.callbacks import Anneal, Balancing, GradientMonitor
    from lossforge.schedules import linear
    from lossforge.spec import parse_balance

    rule = None if balance == "none" else parse_balance(balance)
    on_gradients = rule is not None and rule.needs_gradients
    with scope():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4,))
        trunk = keras.layers.Dense(8, activation="tanh")(inputs)
        heads = {n: keras.layers.Dense(1, dtype="float32")(trunk) for n in "ab"}
        losses = {"a": lossforge.SmoothL1(), "b": lossforge.Huber(delta=2.0)}
        model = lossforge.forge(
            keras.Model(inputs, heads), losses, balance=balance if on_gradients else None,
            validation=(X[:32], {n: y[:32] for n, y in Y.items()}),
        )  # fmt: skip
        model.compile(keras.optimizers.SGD(0.02))
    callbacks = [Anneal("b.delta", linear(2.0, 0.5, steps=12))]
    if rule is not None and not on_gradients:
        callbacks.append(Balancing(balance))
    if rule is None and gradients:
        callbacks.append(GradientMonitor(every=2))
    logs = model.fit(
        X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0, callbacks=callbacks
    ).history
    return {name: values for name, values in logs.items() if "shares" not in name}


if __name__ == "__main__":
    main(*sys.argv[1:])
