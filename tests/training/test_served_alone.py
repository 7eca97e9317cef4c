"""What is exported loads and serves where there is TensorFlow alone, for every task."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from training.clean_environment import tensorflow_alone

from lossforge.recipe import load_recipe

SMALL = {"classes_per_batch": 6, "examples_per_class": 2, "steps_per_epoch": 2}
RECIPES = {
    "digits": {"examples": 64},
    "retinanet": {"train_examples": 16},
    "triplet": SMALL,
    "simclr": {},
    "clip_pairs": {},
    "srresnet": {"train_patches": 16},
    "deblur": {"train_patches": 16},
    "style_transfer": {"size": 48, "steps": 1},
}


class Calls:
    """Calls of exported models, and what the trained ones answer."""

    def __init__(self, directory):
        self.directory = directory
        self.calls, self.expected = [], []

    def add(self, model, endpoint, inputs, expected):
        number, files = len(self.calls), []
        for place, value in enumerate(inputs):
            files.append(f"input_{number}_{place}.npy")
            np.save(self.directory / files[-1], value)
        self.calls.append({"model": model, "endpoint": endpoint, "inputs": files})
        self.expected.append(expected)

    def answers(self, python):
        (self.directory / "calls.json").write_text(json.dumps(self.calls))
        script = Path(__file__).with_name("serve.py")
        done = subprocess.run(
            [python, "-I", str(script), str(self.directory)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        for number, call in enumerate(self.calls):
            with np.load(self.directory / f"found_{number}.npz") as found:
                yield f"{call['model']}.{call['endpoint']}", dict(found), self.expected[number]


def built(name):
    recipe = load_recipe(f"recipes/{name}.py", RECIPES[name])
    data = recipe.data(0)
    return recipe.task(data), next(iter(data.validation))[0].numpy()


@pytest.mark.slow
def test_every_task_is_served_where_there_is_tensorflow_alone(tmp_path):
    calls = Calls(tmp_path)
    for name in RECIPES:
        task, images = built(name)
        task.export(tmp_path / name)
        calls.add(name, "serve", [images], task.predict(images))
        if name == "triplet":
            add_gallery(calls, name, task, images)
        if name in ("srresnet", "deblur"):  # any size
            other = np.ascontiguousarray(images[:1, :50, :41])
            calls.add(name, "serve", [other], task.predict(other))
    for call, found, expected in calls.answers(tensorflow_alone(tmp_path / "environment")):
        assert found.keys() == expected.keys(), call
        for output, value in expected.items():
            if value is not None:
                largest = 1 if value.dtype == np.uint8 else 1e-4 * max(1.0, np.abs(value).max())
                gap = np.abs(found[output].astype("float64") - value.astype("float64"))
                assert gap.max(initial=0.0) <= largest, (call, output)


def add_gallery(calls, name, task, images):
    """Verification and search, against what cosines of the trained model say."""
    embeddings = task.predict(images)["embedding"]
    first, second = images[:4], images[4:8]
    cosines = np.sum(embeddings[:4] * embeddings[4:8], axis=1)
    measured = dict.fromkeys(("same", "threshold", "far", "tar"))
    calls.add(name, "verify", [first, second], {"similarity": cosines, **measured})
    ids = np.arange(100, 108, dtype="int64")
    calls.add(name, "enroll", [images[:8], ids], {"count": np.int32(8)})
    similar = embeddings[:2] @ embeddings[:8].T
    best = np.argsort(-similar, axis=1, kind="stable")[:, :1]
    found = {"ids": ids[best], "similarity": np.take_along_axis(similar, best, axis=1)}
    calls.add(name, "search", [images[:2], np.int32(1)], found)
