"""A training that leaves a run directory behind."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from lossforge import run as files
from lossforge import spec
from lossforge.cli.options import read_dynamics, read_losses
from lossforge.errors import NoTrialError, StudyError
from lossforge.monitor.projector import write_projector
from lossforge.monitor.training_board import TrainingBoard
from lossforge.recipe import Recipe, find_recipe, load_recipe
from lossforge.run import Run
from lossforge.training.checkpoint import finished_epochs
from lossforge.training.precision import set_precision
from lossforge.training.progress import TrainingProgress
from lossforge.training.train import Outcome, fit_slots, steps_in, train


def train_run(
    recipe_path: str,
    losses: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    epochs: int | None = None,
    precision: str = "float32",
    runs: str | Path = "runs",
    histograms: int = 0,
    balance: str | None = None,
    callbacks: Sequence[str] = (),
    devices: str = "auto",
) -> Run:
    """Trains a recipe with losses given as text, prints its progress, and writes the run.

    Raises:
        NoTrialError: when the loss is no longer a number. The run keeps its logs, but no summary.
    """
    precision = set_precision(precision)  # a run is resumed as it began, on any hardware
    recipe = load_recipe(recipe_path, settings)
    given = read_losses(losses, recipe.losses)
    keras.utils.set_random_seed(seed)
    data = recipe.data(seed)
    slots = recipe.task(data).slots
    fit_slots(recipe, slots, given)  # a loss that does not fit is found before a run is made
    chosen = {name: spec.parse(text) for name, text in recipe.losses.items()} | given

    balance, callbacks = read_dynamics(losses, balance, callbacks)

    run = Run.create(runs, recipe.name)
    run.write(files.RECIPE, find_recipe(recipe_path).read_text(encoding="utf-8"))
    run.write(files.LOSS, spec.dump(chosen, balance=balance, callbacks=callbacks))
    setup = {
        "settings": dict(settings or {}),
        "seed": seed,
        "epochs": epochs or recipe.epochs,
        "precision": precision,
        "recipe": str(recipe_path),
        "folder": str(find_recipe(recipe_path).resolve().parent),
        "histograms": histograms,
        "devices": devices,
        "backend": keras.backend.backend(),
    }
    run.write(files.SETUP, setup)  # last: a directory with it is a run that can be resumed
    return _train(run, recipe, data)


def resume_run(path: str | Path) -> Run:
    """Goes on with a run that was interrupted, from the end of its last whole epoch.

    Raises:
        StudyError: for a directory that is no run, a run that is finished, or one that was trained
            on another backend.
        NoTrialError: as `train_run`.
    """
    run = Run.existing(path)
    if (run.path / files.SUMMARY).is_file():
        raise StudyError(f"The run '{path}' is finished; there is nothing to resume.")
    setup = run.read(files.SETUP)
    backend = setup.get("backend", keras.backend.backend())
    if backend != keras.backend.backend():
        raise StudyError(
            f"The run '{path}' was trained on {backend}, but this process uses "
            f"{keras.backend.backend()}. Resume it with KERAS_BACKEND={backend}."
        )
    recipe = load_recipe(run.path / files.RECIPE, setup["settings"], setup.get("folder"))
    keras.utils.set_random_seed(setup["seed"])
    return _train(run, recipe, recipe.data(setup["seed"]))


def _train(run: Run, recipe: Recipe, data: Any) -> Run:
    """Trains what the run's files say, from its checkpoint if there is one, to its summary."""
    console = Console(highlight=False)
    setup, losses = run.read(files.SETUP), spec.load(run.path / files.LOSS)
    balance, callbacks = spec.load_dynamics(run.path / files.LOSS)
    for name, loss in losses.items():
        console.print(f"{name}: {spec.text(loss)}", soft_wrap=True)
    _cut_history(run)

    def watch(task: Any, data: Any) -> list[keras.callbacks.Callback]:
        logs = run.path / files.LOGS
        return [
            keras.callbacks.CSVLogger(str(run.path / files.HISTORY), append=True),
            TrainingBoard(logs, task, data.validation, setup.get("histograms", 0)),
            TrainingProgress(steps_in(data.train), console),
        ]

    outcome = train(
        recipe,
        losses,
        seed=setup["seed"],
        epochs=setup["epochs"],
        precision=setup["precision"],
        devices=setup.get("devices", "auto"),
        data=data,
        watch=watch,
        validation_losses=True,
        checkpoint=run.path / files.CHECKPOINT,
        callbacks=[spec.parse_callback(text) for text in callbacks],
        balance=balance,
    )
    if outcome.reason:
        raise NoTrialError(f"Training stopped: {outcome.reason}. Its logs are in {run.path}.")
    _finish(run, recipe, data, outcome)
    console.print(f"{recipe.score} {outcome.score:.4f} after {outcome.seconds:.0f} s: {run.path}")
    return run


def _finish(run: Run, recipe: Recipe, data: Any, outcome: Outcome) -> None:
    outcome.task.network.save_weights(str(run.path / files.WEIGHTS))
    if hasattr(outcome.task, "pictures"):
        _save_pictures(run.path / files.PICTURES, outcome.task.pictures(data.validation))
    if hasattr(outcome.task, "final_pictures"):
        _save_pictures(run.path / files.PICTURES, outcome.task.final_pictures(data.validation))
    if hasattr(outcome.task, "points"):
        # TensorBoard looks for points where a run has event files, not above.
        write_projector(run.path / files.LOGS / "validation", *outcome.task.points(data.validation))
    summary = {
        "score": recipe.score,
        "value": outcome.score,
        "metrics": {n: v for n, v in outcome.metrics.items() if math.isfinite(v)},
        "seconds": round(outcome.seconds, 2),
        "parameters": outcome.task.network.count_params(),
        "keras": keras.__version__,
    }
    run.write(files.SUMMARY, summary)
    (run.path / files.CHECKPOINT).unlink(missing_ok=True)  # the weights are what is left of use


def _save_pictures(directory: Path, pictures: Mapping[str, Any]) -> None:
    from PIL import Image

    directory.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        Image.fromarray(picture).save(directory / f"{name}.png")


def _cut_history(run: Run) -> None:
    """Cuts the history to the epochs that the checkpoint holds."""
    history = run.path / files.HISTORY
    if not history.is_file():
        return
    done, _ = finished_epochs(run.path / files.CHECKPOINT)
    with open(history, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    kept = io.StringIO()
    csv.writer(kept, lineterminator="\n").writerows(rows[: done + 1] if done else [])
    run.write(files.HISTORY, kept.getvalue())
