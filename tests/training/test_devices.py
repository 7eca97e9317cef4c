"""Two devices compute what one computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import lossforge
from lossforge.errors import UsageError
from lossforge.losses.global_batch import GlobalBatch
from lossforge.training.devices import check_batch, chosen, placed, whole_batch

ROOT = Path(__file__).parents[2]


# Two steps each.
PATCHES = {"train_patches": 8, "batch_size": 4, "patch_size": 32}
BATCHES = {"classes_per_batch": 6, "examples_per_class": 2, "steps_per_epoch": 2}
RECIPES = {
    "digits": [{"examples": 64}, {}],
    "retinanet": [{"train_examples": 16}, {}],
    "retinanet of hard examples": [
        {"train_examples": 16}, {"classification": "HardExamples(Focal(), keep=0.3)"}
    ],
    "triplet": [BATCHES, {}],
    "triplet by multi-similarity": [BATCHES, {"embedding": "MultiSimilarity()"}],
    "arcface": [BATCHES, {}],
    "simclr": [{"batch_size": 512}, {}],
    "srresnet": [PATCHES, {"image": "MAE() + 0.1*SSIM()"}],
    "deblur": [PATCHES, {}],
    "srgan": [PATCHES | {"train_patches": 12}, {}],  # one step each of its three phases
}  # fmt: skip
# AdversarialModel trains there, and only there a loss over the batch has to gather it.
ON_TENSORFLOW_ALONE = {"srgan", "retinanet of hard examples", "triplet by multi-similarity"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_give_the_numbers_of_one_in_every_recipe(backend):
    names = [n for n in RECIPES if backend == "tensorflow" or n not in ON_TENSORFLOW_ALONE]
    trainings = [[f"recipes/{name.split()[0]}.py", *RECIPES[name]] for name in names]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("two_devices.py")), json.dumps(trainings)],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert len(lines) == len(names)
    for name, line in zip(names, lines, strict=True):
        result = json.loads(line.removeprefix("RESULT"))
        one, two = result["cpu"], result["mirrored"]
        assert "error" not in one and "error" not in two, (name, result, done.stderr[-3000:])
        # The loss of the second step follows from the gradients of the first.
        assert two["metrics"]["loss"] == pytest.approx(one["metrics"]["loss"], rel=1e-4), name
        np.testing.assert_allclose(
            two["weights"], one["weights"], rtol=2e-3, atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ("gpus", "not 'gpus'"),
        ("cpu:1", "not 'cpu:1'"),
        ("gpu:0", "no GPU that the backend sees"),
        ("mirrored", "needs two devices"),
    ],
)
def test_devices_that_are_not_there_are_refused(devices, says):
    with pytest.raises(UsageError, match=says), placed(devices):
        pass


def test_named_gpus_are_taken_and_others_refused():
    there = {"cpu": ["CPU:0"], "gpu": ["GPU:0", "GPU:1"]}
    assert chosen("auto", "", there) == ["GPU:0", "GPU:1"]
    assert chosen("gpu", "1", there) == ["GPU:1"]
    with pytest.raises(UsageError, match="the GPUs 0, 1"):
        chosen("gpu", "0,2", there)


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    import tensorflow as tf

    data = tf.data.Dataset.range(9).batch(3, drop_remainder=True)
    check_batch(data, 1)
    with pytest.raises(UsageError, match="multiple, such as --set batch_size=4"):
        check_batch(data, 2)
    unknown = tf.data.Dataset.range(9).batch(4)
    check_batch(unknown, 1)
    with pytest.raises(UsageError, match="drop_remainder=True"):
        check_batch(unknown, 2)
    zipped = tf.data.Dataset.zip(unknown, tf.data.Dataset.range(8).batch(4, drop_remainder=True))
    check_batch(zipped, 2)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX sees the whole batch")
def test_losses_over_a_batch_are_gathered_and_others_stay():
    losses = {
        "one": lossforge.Focal(),
        "all": lossforge.Composite({"t": (0.5, lossforge.Triplet()), "s": lossforge.SmoothL1()}),
        "hard": lossforge.HardExamples(lossforge.Huber(), keep=0.5, reduction="sum"),
    }
    assert whole_batch(losses, 1) == losses
    found = whole_batch(losses, 2)
    assert found["one"] is losses["one"]
    assert isinstance(found["all"].losses["t"], GlobalBatch) and found["all"].weights["t"] == 0.5
    assert found["all"].losses["s"] is losses["all"].losses["s"]
    assert found["hard"].name == "hard_examples" and found["hard"].reduction == "sum"
    with pytest.raises(UsageError, match="RelativisticGAN compares the scores of a batch"):
        whole_batch({"critic": lossforge.RelativisticGAN(average=True)}, 2)
