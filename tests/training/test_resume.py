"""A training that was killed goes on, and ends as if it had not been."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from lossforge.errors import StudyError
from lossforge.run import Run
from lossforge.training.train_run import resume_run, train_run

RECIPE = str(Path(__file__).parent / "interrupted_recipe.py")


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    keras.mixed_precision.set_dtype_policy("float32")


def killed(tmp_path, kill, precision="float32"):
    """The run that a process left when it was killed there."""
    settings = [f"kill={kill}", f"marker={tmp_path / 'killed'}"]
    flags = [part for text in settings for part in ("--set", text)]
    command = ["train", RECIPE, "--precision", precision, "--runs", str(tmp_path / "killed_runs")]
    done = subprocess.run(
        [sys.executable, "-m", "lossforge", *command, *flags],
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (path,) = (tmp_path / "killed_runs").iterdir()
    return path


def whole(tmp_path, precision="float32"):
    return train_run(RECIPE, precision=precision, runs=tmp_path / "whole").path


def assert_equal(resumed, whole):
    assert (
        Run.finished(resumed).read("summary.json")["metrics"]
        == (Run.finished(whole).read("summary.json")["metrics"])
    )
    assert (resumed / "history.csv").read_text() == (whole / "history.csv").read_text()
    networks = []
    for path in (resumed, whole):
        with __import__("h5py").File(path / "model.weights.h5") as file:
            found = {}
            file.visititems(lambda name, item, found=found: found.update({name: item}))
            networks.append({n: v[()] for n, v in found.items() if hasattr(v, "shape")})
    assert networks[0].keys() == networks[1].keys() and networks[0]
    for name, value in networks[0].items():
        assert np.array_equal(value, networks[1][name]), name


def test_a_run_killed_within_an_epoch_ends_bit_for_bit_as_an_uninterrupted_one(tmp_path):
    path = killed(tmp_path, "2:7")
    (path / ".checkpoint.npz.99999").write_bytes(b"half a file")  # killed while it was written
    resume_run(path)
    assert_equal(path, whole(tmp_path))
    assert not (path / "checkpoint.npz").exists()
    assert (path / "pictures" / "digits.png").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:mixed_float16 on a CPU")
@pytest.mark.parametrize(
    ("kill", "precision"), [("0:3", "float32"), ("3:end", "float32"), ("1:19", "mixed_float16")]
)
def test_wherever_it_is_killed_and_in_the_precision_it_had(tmp_path, kill, precision):
    path = killed(tmp_path, kill, precision)
    keras.mixed_precision.set_dtype_policy("float32")
    resume_run(path)
    assert keras.mixed_precision.dtype_policy().name == precision
    assert_equal(path, whole(tmp_path, precision))


def test_a_killed_run_can_be_killed_again(tmp_path):
    path = killed(tmp_path, "3:end")
    (tmp_path / "killed").unlink()  # it dies at the same place once more
    again = subprocess.run(
        [sys.executable, "-m", "lossforge", "train", "--resume", str(path)],
        capture_output=True,
    )
    assert again.returncode == -signal.SIGKILL
    resume_run(path)
    assert len((path / "history.csv").read_text().splitlines()) == 5


def test_what_cannot_be_resumed_is_refused(tmp_path):
    path = whole(tmp_path)
    with pytest.raises(StudyError, match="finished"):
        resume_run(path)
    with pytest.raises(StudyError, match="no run directory"):
        resume_run(tmp_path / "nothing")
    (path / "summary.json").unlink()
    setup = Run(path).read("setup.json")
    Run(path).write("setup.json", {**setup, "backend": "torch"})
    with pytest.raises(StudyError, match="KERAS_BACKEND=torch"):
        resume_run(path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    path = whole(tmp_path)
    (path / "summary.json").unlink()
    np.savez(path / "checkpoint.npz", meta=np.array('{"epochs": 1, "logs": {}}'), x=np.zeros(3))
    with pytest.raises(StudyError, match="does not fit the model"):
        resume_run(path)
