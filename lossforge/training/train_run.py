"""A training that leaves a run directory behind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from lossforge import run as files
from lossforge import spec
from lossforge.cli.options import read_losses
from lossforge.errors import NoTrialError
from lossforge.recipe import find_recipe, load_recipe
from lossforge.run import Run
from lossforge.training.progress import TrainingProgress
from lossforge.training.train import fit_slots, steps_in, train


def train_run(
    recipe_path: str,
    losses: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    epochs: int | None = None,
    precision: str = "float32",
    runs: str | Path = "runs",
) -> Run:
    """Trains a recipe with losses given as text, prints its progress, and writes the run.

    Raises:
        NoTrialError: when the loss is no longer a number. The run keeps its logs, but no summary.
    """
    console = Console(highlight=False)
    recipe = load_recipe(recipe_path, settings)
    given = read_losses(losses, recipe.losses)
    data = recipe.data(seed)
    slots = recipe.task(data).slots
    fit_slots(recipe, slots, given)  # a loss that does not fit is found before a run is made
    chosen = {name: spec.parse(text) for name, text in recipe.losses.items()} | given

    run = Run.create(runs, recipe.name)
    run.write(files.RECIPE, find_recipe(recipe_path).read_text(encoding="utf-8"))
    setup = {"settings": dict(settings or {}), "seed": seed, "epochs": epochs or recipe.epochs}
    run.write(files.SETUP, {**setup, "precision": precision, "recipe": str(recipe_path)})
    run.write(files.LOSS, spec.dump(chosen))
    for name, loss in chosen.items():
        console.print(f"{name}: {spec.text(loss)}", soft_wrap=True)

    outcome = train(
        recipe,
        given,
        seed=seed,
        epochs=epochs,
        precision=precision,
        data=data,
        callbacks=[
            keras.callbacks.CSVLogger(str(run.path / files.HISTORY)),
            keras.callbacks.TensorBoard(str(run.path / files.LOGS), write_graph=False),
            TrainingProgress(steps_in(data.train), console),
        ],
    )
    if outcome.reason:
        raise NoTrialError(f"Training stopped: {outcome.reason}. Its logs are in {run.path}.")
    outcome.task.network.save_weights(str(run.path / files.WEIGHTS))
    finite = {n: v for n, v in outcome.metrics.items() if math.isfinite(v)}
    run.write(
        files.SUMMARY,
        {
            "score": recipe.score,
            "value": outcome.score,
            "metrics": finite,
            "seconds": round(outcome.seconds, 2),
            "parameters": outcome.task.network.count_params(),
            "keras": keras.__version__,
        },
    )
    console.print(f"{recipe.score} {outcome.score:.4f} after {outcome.seconds:.0f} s: {run.path}")
    return run
