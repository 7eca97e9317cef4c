"""A finished run as a model that others can run, compared with what was trained."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from lossforge import run as files
from lossforge.errors import ParityError, RecipeError
from lossforge.recipe import Task, load_recipe
from lossforge.run import Run, write_atomically
from lossforge.training import formats
from lossforge.training.precision import set_precision

TOLERANCE = 1e-4
DESCRIPTION = "model.json"  # beside the model: what it takes, gives, and calls its classes


@dataclasses.dataclass(frozen=True)
class Exported:
    """An export: where it is, and how far it is from the trained model, relative to the largest
    value of each output."""

    path: Path
    largest: float
    mean: float


def export_run(
    run: Run,
    output: str | Path | None = None,
    console: Console | None = None,
    format: str = "saved_model",
    serving: bool = False,
) -> Path:
    """Builds the run's task in float32 with its weights, exports it, and checks the export.

    Args:
        run: a finished one.
        output: directory; by default `export` in the run, with the format's name for other formats
            than SavedModel.
        format: "saved_model", with the whole of the task's decoding inside, or "onnx", "litert",
            "openvino", "keras", for which the task has a `deployable` model of plain layers.
        serving: as TensorFlow Serving wants it: a numbered version below `output`.

    Raises:
        RecipeError: on another backend than TensorFlow, when the recipe no longer builds the
            network that was trained, or when the task has no model for that format.
        ParityError: when the export's predictions differ from the model's.
    """
    console = console or Console(highlight=False)
    task, images = trained_task(run)
    default = files.EXPORT if format == "saved_model" else f"{files.EXPORT}_{format}"
    directory = Path(output) if output else run.path / default
    if serving:
        directory = next_version(directory)
    done = export_task(task, images, directory, format)
    console.print(
        f"{done.path}: equal to the trained model within {done.largest:.1e} (mean {done.mean:.1e})",
        soft_wrap=True,
    )
    return done.path


def trained_task(run: Run) -> tuple[Task, Any]:
    """The task of a run in float32 with its trained weights, and a batch of validation images."""
    if keras.backend.backend() != "tensorflow":
        raise RecipeError(
            f"Export needs KERAS_BACKEND=tensorflow, not '{keras.backend.backend()}'."
        )
    setup = run.read(files.SETUP)
    set_precision("float32")
    recipe = load_recipe(run.path / files.RECIPE, setup["settings"], setup.get("folder"))
    data = recipe.data(setup["seed"])
    task = recipe.task(data)
    try:
        task.network.load_weights(str(run.path / files.WEIGHTS))
    except ValueError as error:
        reason = str(error).split(" Target variable")[0][:300]
        raise RecipeError(f"The weights of {run.path} do not fit its recipe: {reason}") from None
    return task, next(iter(data.validation))[0]


def export_task(task: Task, images: Any, directory: Path, format: str) -> Exported:
    """Writes a task in a format, with a description beside it, and compares the two on images."""
    name = formats.check_format(format)
    if name == "saved_model":
        path = directory
        task.export(path)
        expected = task.predict(images)
    else:
        model = deployable(task, name)
        path = directory / formats.FILES[name]
        called = model(np.asarray(images, "float32"), training=False)  # converters want it called
        expected = {n: keras.ops.convert_to_numpy(v) for n, v in called.items()}
        formats.write(name, model, path)
    describe(task, images, expected, directory)
    actual = formats.run(name, path, images, sorted(expected))
    largest, mean = compare(expected, actual), compare(expected, actual, np.mean)
    if not largest <= TOLERANCE:
        raise ParityError(
            f"The {name} export in {path} differs from the trained model by {largest:.2g} "
            f"(mean {mean:.2g}, allowed: {TOLERANCE:g}). Do not use it."
        )
    return Exported(path, largest, mean)


def deployable(task: Task, format: str) -> keras.Model:
    """The task's model of plain layers, with a dict of outputs."""
    if not hasattr(task, "deployable"):
        raise RecipeError(
            f"A {type(task).__name__} has no model for --format {format}: "
            "its predictions need more than layers. Export it as saved_model."
        )
    model = task.deployable()
    if isinstance(model.output, Mapping):
        return model
    return keras.Model(model.inputs, {"output": model.output}, name=model.name)


def describe(task: Task, images: Any, outputs: formats.Outputs, directory: Path) -> None:
    """Writes what a user of the model must know: shapes, types and class names."""
    shapes = {n: {"shape": [None, *v.shape[1:]], "dtype": str(v.dtype)} for n, v in outputs.items()}
    content = {
        "input": {"shape": [None, *np.shape(images)[1:]], "dtype": "float32"},
        "outputs": shapes,
        "class_names": list(map(str, getattr(task, "class_names", ()))),
    }
    write_atomically(directory / DESCRIPTION, json.dumps(content, indent=2) + "\n")


def next_version(directory: Path) -> Path:
    """`directory/N`, N above all that are there: what TensorFlow Serving takes as newest."""
    there = [int(p.name) for p in directory.glob("*") if p.name.isdigit()]
    return directory / str(max(there, default=0) + 1)


def compare(expected: formats.Outputs, actual: formats.Outputs, over: Any = np.max) -> float:
    """The largest difference, relative to the largest value of each output; inf for other names.

    Args:
        over: np.max, or np.mean for the mean difference of the worst output.
    """
    if expected.keys() != actual.keys():
        return float("inf")
    worst = 0.0
    for name, value in expected.items():
        if value.shape != actual[name].shape:
            return float("inf")
        if not value.size:
            continue
        scale = max(1.0, float(np.max(np.abs(value))))
        gap = np.abs(value.astype("float64") - actual[name].astype("float64"))
        difference = float(over(gap)) / scale
        worst = difference if np.isnan(difference) else max(worst, difference)
    return worst


def _served(path: Path, images: Any) -> formats.Outputs:
    return formats.run("saved_model", path, images, [])
