"""Two devices compute what one computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lossforge.errors import UsageError
from lossforge.training.devices import check_batch, chosen, placed

ROOT = Path(__file__).parents[2]
INTERRUPTED = str(Path(__file__).parent / "interrupted_recipe.py")


def trained(backend, devices, recipe, settings):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "two_devices.py"), recipe, devices,
         json.dumps(settings)],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


# Two steps of the detector: Adam's steps are of one size, also along slopes that are mere rounding.
RECIPES = {
    "digits": ("recipes/digits.py", {}),
    "retinanet": ("recipes/retinanet.py", {"train_examples": 16}),
}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_two_devices_give_the_numbers_of_one(backend, recipe):
    one = trained(backend, "cpu", *RECIPES[recipe])
    two = trained(backend, "mirrored", *RECIPES[recipe])
    np.testing.assert_allclose(two["weights"], one["weights"], rtol=2e-3, atol=1e-5)
    assert two["metrics"]["loss"] == pytest.approx(one["metrics"]["loss"], rel=2e-3)


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
