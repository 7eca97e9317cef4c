"""Every loss trains under every policy, in float32 inside; runs and exports keep their policy."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from lossforge import spec
from lossforge.kinds import KINDS
from lossforge.losses import LOSSES
from lossforge.recipe import load_recipe
from lossforge.search.confirm import plan_of
from lossforge.search.study import load_study
from lossforge.testing import cases
from lossforge.training.export import export_run, trained_task
from lossforge.training.train_run import train_run

OURS = [c for c in LOSSES.values() if not c.wraps and c.__module__.startswith("lossforge.")]
ACTIVATIONS = {"softmax": ops.softmax, "sigmoid": ops.sigmoid, "exp": ops.exp}
POLICIES = ("mixed_bfloat16", "mixed_float16")


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    keras.mixed_precision.set_dtype_policy("float32")


def losses_of(kind):
    """One variant of each loss that reads the Kind, by name."""
    found = {}
    for cls in OURS:
        for arguments, own in cases(cls):
            if own == kind and cls.__name__ not in found:
                found[cls.__name__] = cls(**arguments)
    return found


class Affine(keras.layers.Layer):
    """Each number of an example times a weight, plus a weight; it begins as the identity."""

    def __init__(self, activation=None, **layer):
        super().__init__(**layer)
        self.activation = activation

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[1:], initializer="ones")
        self.shift = self.add_weight(shape=shape[1:], initializer="zeros")

    def call(self, x):
        moved = x * self.scale + self.shift
        return ACTIVATIONS[self.activation](moved) if self.activation else moved


def network_for(kind, losses, shape):
    """From drawn predictions to predictions in half precision, an output a loss."""
    inputs = keras.Input(shape)
    outputs = {}
    for name, loss in losses.items():
        plain = kind.activation is None or getattr(loss, "from_logits", False)
        outputs[name] = Affine(None if plain else kind.activation, name=name)(inputs)
    return keras.Model(inputs, outputs)


def assert_all_train(kind, losses, policy):
    keras.mixed_precision.set_dtype_policy(policy)
    y_true, x = kind.draw(np.random.default_rng(0), 6)
    model = network_for(kind, losses, x.shape[1:])
    half = model(x)
    assert {keras.backend.standardize_dtype(y.dtype) for y in half.values()} == {policy[6:]}
    exact = {n: float(loss(y_true, ops.cast(half[n], "float32"))) for n, loss in losses.items()}
    model.compile(keras.optimizers.Adam(1e-3), loss=losses)
    logs = model.fit(
        x, dict.fromkeys(losses, y_true), epochs=12, batch_size=len(x), shuffle=False, verbose=0
    ).history
    for name in losses:
        values = logs[f"{name}_loss" if len(losses) > 1 else "loss"]
        assert np.all(np.isfinite(values)), (name, values)
        assert values[0] == pytest.approx(exact[name], rel=1e-4, abs=1e-5), name
        scale, shift = (ops.convert_to_numpy(w) for w in model.get_layer(name).weights)
        assert scale.dtype == shift.dtype == "float32"
        assert np.all(np.isfinite(scale)) and np.all(np.isfinite(shift)), name
        assert np.any(scale != 1.0) or np.any(shift != 0.0), f"{name} does not train"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:mixed_")
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_loss_trains_on_half_precision_and_computes_in_float32(kind, policy):
    losses = losses_of(kind)
    assert losses, f"no loss reads {kind}"
    assert_all_train(KINDS[kind], losses, policy)


WRAPPED = {
    "hard_examples": "HardExamples(SmoothL1(), keep=0.5)",
    "easy_examples": "EasyExamples(SmoothL1())",
    "global_batch": "GlobalBatch(SmoothL1())",
    "sum": "0.5*SmoothL1() + 2*Huber()",
    "formula": "Formula('(y - p)**2', task='regression')",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:mixed_")
@pytest.mark.parametrize("policy", POLICIES)
def test_losses_over_losses_train_on_half_precision(policy):
    losses = {name: spec.parse(text) for name, text in WRAPPED.items()}
    assert_all_train(KINDS["regression"], losses, policy)


@pytest.mark.filterwarnings("ignore:mixed_")
def test_the_export_of_a_run_in_half_precision_is_float32(tmp_path):
    settings = {"examples": 64}
    run = train_run(
        "recipes/digits.py", settings=settings, epochs=1, precision="mixed_float16", runs=tmp_path
    )
    assert run.read("setup.json")["precision"] == "mixed_float16"
    path = export_run(run)  # raises where it differs
    described = json.loads((path / "model.json").read_text())
    assert described["outputs"]["probabilities"]["dtype"] == "float32"
    task, images = trained_task(run)
    assert task.network.dtype_policy.name == "float32"
    with h5py.File(run.path / "model.weights.h5") as file:
        stored = []
        file.visititems(lambda _, item: stored.append(item[()]) if hasattr(item, "shape") else None)
    for weight in task.network.weights:  # a clone: the same numbers, computed in float32
        assert any(np.array_equal(weight.numpy(), value) for value in stored)
    half = trained_in("mixed_float16", run, images)
    whole = task.predict(images)["probabilities"]
    assert not np.array_equal(half, whole)
    np.testing.assert_allclose(half, whole, atol=0.02)


def trained_in(policy, run, images):
    keras.mixed_precision.set_dtype_policy(policy)
    recipe = load_recipe(run.path / "recipe.py", run.read("setup.json")["settings"])
    task = recipe.task(recipe.data(0))
    task.network.load_weights(run.path / "model.weights.h5")
    return task.predict(images)["probabilities"]


@pytest.mark.slow
def test_a_search_and_the_training_of_what_it_found_have_one_precision(tmp_path):
    """The score of this recipe is 1 where the network computes in bfloat16."""
    recipe = tmp_path / "half.py"
    base = (Path(__file__).parents[1] / "search" / "digits_recipe.py").read_text()
    policy = 'float(self.network.compute_dtype == "bfloat16")'
    recipe.write_text(base.replace('"wrong": 1.0 - accuracy', f'"half": {policy}'))
    study, runs = tmp_path / "study", tmp_path / "runs"
    command = [sys.executable, "-m", "lossforge"]
    search = ["search", str(recipe), "--trials", "2", "--jobs", "1", "--no-gate", "--epochs", "2",
              "--precision", "mixed_bfloat16", "--directory", str(study)]  # fmt: skip
    subprocess.run(command + search, check=True, capture_output=True)
    found = load_study("study", None, study)
    done = [t for t in found.trials if t.state.name == "COMPLETE"]
    assert done and all(trial.user_attrs["metrics"]["val_half"] == 1.0 for trial in done)
    assert plan_of(found, study, None, 1).precision == "mixed_bfloat16"  # what confirm trains in
    (line,) = [t for t in (study / "report.md").read_text().splitlines() if "lossforge train" in t]
    said = shlex.split(line)[1:]  # the command that the report tells its reader
    subprocess.run([*command, *said, "--runs", str(runs)], check=True, capture_output=True)
    (run,) = runs.iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["metrics"]["val_half"] == 1.0
