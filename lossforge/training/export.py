"""A finished run as a SavedModel that computes what the trained model computes."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from rich.console import Console

from lossforge import run as files
from lossforge.errors import ParityError, RecipeError
from lossforge.recipe import load_recipe
from lossforge.run import Run
from lossforge.training.precision import set_precision

TOLERANCE = 1e-4


def export_run(run: Run, output: str | Path | None = None, console: Console | None = None) -> Path:
    """Builds the run's task in float32 with its weights, exports it, and checks the export.

    Raises:
        RecipeError: on another backend than TensorFlow, or when the recipe no longer builds the
            network that was trained.
        ParityError: when the export's predictions differ from the model's.
    """
    console = console or Console(highlight=False)
    if keras.backend.backend() != "tensorflow":
        raise RecipeError(
            f"Export needs KERAS_BACKEND=tensorflow, not '{keras.backend.backend()}'."
        )
    setup = run.read(files.SETUP)
    set_precision("float32")
    recipe = load_recipe(run.path / files.RECIPE, setup["settings"])
    data = recipe.data(setup["seed"])
    task = recipe.task(data)
    try:
        task.network.load_weights(str(run.path / files.WEIGHTS))
    except ValueError as error:
        reason = str(error).split(" Target variable")[0][:300]
        raise RecipeError(f"The weights of {run.path} do not fit its recipe: {reason}") from None
    path = Path(output) if output else run.path / files.EXPORT
    task.export(path)
    images = next(iter(data.validation))[0]
    difference = compare(task.predict(images), _served(path, images))
    if not difference <= TOLERANCE:
        raise ParityError(
            f"The SavedModel in {path} differs from the trained model by {difference:.2g} "
            f"(allowed: {TOLERANCE:g}). Do not use it."
        )
    console.print(f"{path}: equal to the trained model within {difference:.1e}", soft_wrap=True)
    return path


def compare(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> float:
    """The largest difference, relative to the largest value of each output; inf for other names."""
    if expected.keys() != actual.keys():
        return float("inf")
    worst = 0.0
    for name, value in expected.items():
        if value.shape != actual[name].shape:
            return float("inf")
        scale = max(1.0, float(np.max(np.abs(value), initial=0.0)))
        gap = np.abs(value.astype("float64") - actual[name].astype("float64"))
        worst = max(worst, float(np.max(gap, initial=0.0)) / scale)
    return worst


def _served(path: Path, images) -> dict[str, np.ndarray]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # kept alive: its variables go with it
    _, inputs = loaded.signatures["serving_default"].structured_input_signature
    (wanted,) = inputs.values()
    served = loaded.serve(tf.cast(images, wanted.dtype))
    return {name: np.asarray(value) for name, value in served.items()}
