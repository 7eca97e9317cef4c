"""Every format computes what the model computes, and a SavedModel needs no lossforge."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from lossforge.errors import ParityError, RecipeError
from lossforge.recipe import load_recipe
from lossforge.tasks.classification import Classification
from lossforge.training import formats
from lossforge.training.export import compare, export_task, next_version

IMAGES = np.random.default_rng(0).uniform(0, 1, (4, 8, 8, 1)).astype("float32")


@pytest.fixture
def task():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    network = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    return Classification(network, ("a", "b", "c"))


@pytest.mark.parametrize("name", formats.FILES)
def test_an_export_computes_what_the_model_does_and_says_its_classes(task, tmp_path, name):
    if name in ("onnx", "litert", "openvino"):
        pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}.get(name, name))
    done = export_task(task, IMAGES, tmp_path / name, name)
    assert done.mean <= done.largest < 1e-5
    described = json.loads((tmp_path / name / "model.json").read_text())
    assert described["class_names"] == ["a", "b", "c"]
    assert described["input"]["shape"] == [None, 8, 8, 1]
    assert described["outputs"]["probabilities"] == {"shape": [None, 3], "dtype": "float32"}


def test_an_export_that_differs_is_refused(task, tmp_path, monkeypatch):
    right = formats.run

    def wrong(*arguments):
        found = right(*arguments)
        found["probabilities"] = found["probabilities"] + 0.01
        return found

    monkeypatch.setattr(formats, "run", wrong)
    with pytest.raises(ParityError, match="differs from the trained model by 0.01") as caught:
        export_task(task, IMAGES, tmp_path / "saved", "saved_model")
    assert caught.value.exit_code == 6


def test_an_export_that_its_runtime_refuses_is_no_export(task, tmp_path, monkeypatch):
    def refuses(*arguments):
        raise ValueError("Required inputs are missing")

    monkeypatch.setitem(formats._RUNNERS, "keras", refuses)
    with pytest.raises(ParityError, match="keras export in .* does not run: Required inputs"):
        export_task(task, IMAGES, tmp_path / "kept", "keras")


@pytest.mark.slow
@pytest.mark.parametrize("name", formats.FILES)
def test_a_detector_is_equal_in_every_format(tmp_path, name):
    recipe = load_recipe("recipes/retinanet.py", {"train_examples": 16})
    data = recipe.data(0)
    images = next(iter(data.validation))[0].numpy()
    assert export_task(recipe.task(data), images, tmp_path / name, name).largest < 1e-4


def test_a_task_without_a_plain_model_says_so(task, tmp_path):
    class Bare:
        pass

    with pytest.raises(RecipeError, match="Export it as saved_model"):
        export_task(Bare(), IMAGES, tmp_path, "onnx")


def test_versions_for_serving_count_up(tmp_path):
    assert next_version(tmp_path / "m").name == "1"
    for number in (1, 9, 10):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
    assert next_version(tmp_path / "m").name == "11"


def test_other_names_shapes_and_nan_are_no_parity():
    one = {"a": np.zeros((2, 3))}
    assert compare(one, {"b": np.zeros((2, 3))}) == np.inf
    assert compare(one, {"a": np.zeros((2, 4))}) == np.inf
    assert np.isnan(compare(one, {"a": np.full((2, 3), np.nan)}))
    assert compare(one, {"a": np.full((2, 3), 0.5)}) == 0.5


def test_a_saved_model_serves_in_a_process_without_lossforge(task, tmp_path):
    export_task(task, IMAGES, tmp_path / "saved", "saved_model")
    np.save(tmp_path / "images.npy", IMAGES)
    script = (
        "import sys; sys.meta_path.insert(0, type('No', (), {'find_spec': staticmethod("
        "lambda name, *_: (_ for _ in ()).throw(ImportError(name)) "
        "if name.split('.')[0] == 'lossforge' else None)})())\n"
        "import numpy as np, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(tmp_path / 'saved')!r})\n"
        f"images = np.load({str(tmp_path / 'images.npy')!r})\n"
        "found = model.serve(images)['probabilities'].numpy()\n"
        f"np.save({str(tmp_path / 'found.npy')!r}, found)\n"
        "assert 'lossforge' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_allclose(found, task.predict(IMAGES)["probabilities"], atol=1e-6)
