"""What a gradient Balance and monitoring cost, as ratios in one process.

    python tools/bench/dynamics.py
    python tools/bench/dynamics.py --rounds 30 --only balances

A Balance is measured against the same model that makes one forward pass, a plain backward pass for
each of its K terms, and one step of the optimizer on their sum; a monitor against the same training
without it. The two run in turns, batch after batch, and the median of the ratios of neighbours is
printed, with its quartiles.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import lossforge
from lossforge.balance import BALANCES
from lossforge.callbacks import Balancing, GradientMonitor, LossMonitor, StopOnNaN

TASKS = ("a", "b", "c")
BATCH = 64


def network() -> keras.Model:
    """A convolutional trunk (about 0.3 M weights) with three heads."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    x = inputs
    for filters in (32, 64, 128):
        x = keras.layers.Conv2D(filters, 3, 2, "same", activation="relu")(x)
    x = keras.layers.Dense(128, "relu")(keras.layers.Flatten()(x))
    heads = {name: keras.layers.Dense(10, name=name)(x) for name in TASKS}
    return keras.Model(inputs, heads)


def batch() -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, 32, 32, 3)).astype("float32")
    y = {name: rng.normal(size=(BATCH, 10)).astype("float32") for name in TASKS}
    return tf.constant(x), {name: tf.constant(value) for name, value in y.items()}


def forged(balance: str | None = None) -> keras.Model:
    losses = {name: lossforge.MSE() for name in TASKS}
    model = lossforge.forge(network(), losses, balance=balance, validation=batch())
    model.compile(keras.optimizers.SGD(1e-3))
    return model


class PlainPasses(keras.Model):
    """K plain backward passes and a step on their sum: what a Balance can't do without."""

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        variables = self.trainable_variables
        with tf.GradientTape(persistent=True) as tape:
            outputs = self(x, training=True)
            values = [tf.reduce_mean(tf.square(outputs[name] - y[name])) for name in TASKS]
        of_terms = [tape.gradient(value, variables) for value in values]
        sums = [sum(g for g in each if g is not None) for each in zip(*of_terms, strict=True)]
        self.optimizer.apply(sums, variables)
        total = sum(values)
        self._loss_tracker.update_state(total, sample_weight=BATCH)
        return {"loss": self._loss_tracker.result()}


def plain_passes() -> keras.Model:
    base = network()
    model = PlainPasses(base.inputs, base.output)
    model.compile(keras.optimizers.SGD(1e-3))
    return model


def step_of(model: keras.Model, *callbacks: keras.callbacks.Callback) -> Callable[[], None]:
    """One call of the compiled training step, as `fit` makes it."""
    x, y = batch()
    data = (x, y if hasattr(model, "terms") or isinstance(model.output, dict) else y["a"])
    model.fit(*data, batch_size=BATCH, verbose=0)  # builds what a first step builds
    for callback in callbacks:
        callback.set_model(model)
    for callback in callbacks:
        callback.on_train_begin()
        callback.on_epoch_begin(0)
    model.make_train_function(force=True)
    stream = iter(tf.data.Dataset.from_tensors(data).cache().repeat().prefetch(4))
    number = 0

    def step() -> None:
        nonlocal number
        logs = {n: float(v) for n, v in model.train_function(stream).items()}
        for callback in callbacks:
            callback.on_train_batch_end(number, logs)
        number += 1

    return step


def ratios(first: Callable[[], None], second: Callable[[], None], rounds: int) -> np.ndarray:
    """Seconds of `first` over those of `second`, in turns, after three of each."""
    for _ in range(3):
        first(), second()
    found = []
    for _ in range(rounds):
        times = []
        for step in (first, second):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        found.append(times[0] / times[1])
    return np.array(found)


def row(name: str, values: np.ndarray) -> str:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"| {name} | {middle:.3f} | {low:.3f} to {high:.3f} |"


def balances(rounds: int) -> None:
    print("| Balance | time over K plain backward passes | quartiles |\n|---|---|---|")
    plain = step_of(plain_passes())
    names = sorted(n for n, cls in BALANCES.items() if cls.needs_gradients)
    for name in names:
        print(row(f"`{name}`", ratios(step_of(forged(name)), plain, rounds)), flush=True)


def monitors(rounds: int) -> None:
    print("| monitoring | time over training without it | quartiles |\n|---|---|---|")
    cases: dict[str, list[keras.callbacks.Callback]] = {
        "`LossMonitor`": [LossMonitor()],
        "`StopOnNaN`": [StopOnNaN(path="nan_batch.npz")],
        "`GradientMonitor(every=200)`": [GradientMonitor(every=200)],
        "all three": [LossMonitor(), StopOnNaN("nan_batch.npz"), GradientMonitor(every=200)],
        "`Balancing('Uncertainty()')`": [Balancing("Uncertainty()")],
    }
    bare = step_of(single())
    for name, callbacks in cases.items():
        step = step_of(single(), *callbacks)
        an_epoch = lambda step: lambda: [step() for _ in range(200)]  # noqa: E731
        many = "GradientMonitor" in name or name == "all three"
        pair = (an_epoch(step), an_epoch(bare)) if many else (step, bare)
        print(row(name, ratios(*pair, max(rounds // 20, 3) if many else rounds)), flush=True)


def single() -> keras.Model:
    """A plain compiled model of one output with three terms."""
    base = network()
    model = keras.Model(base.inputs, base.output["a"])
    terms = {"a": lossforge.MSE(), "b": lossforge.MAE(), "c": lossforge.Huber()}
    model.compile(keras.optimizers.SGD(1e-3), loss=lossforge.Composite(terms))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", choices=("balances", "monitors"))
    arguments = parser.parse_args()
    for name, measure in (("balances", balances), ("monitors", monitors)):
        if arguments.only in (None, name):
            measure(arguments.rounds)


if __name__ == "__main__":
    main()
