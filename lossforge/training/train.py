"""Trains a recipe once."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from lossforge import spec
from lossforge.callbacks.balancing import Balancing
from lossforge.callbacks.stop_on_nan import StopOnNaN
from lossforge.errors import RecipeError, unknown_name
from lossforge.losses.base import Loss
from lossforge.recipe import Recipe, Slot, Task
from lossforge.training.checkpoint import Checkpoint, build, finished_epochs, stream
from lossforge.training.devices import (
    check_batch,
    keep_first_batch,
    placed,
    predicts_on_one,
    synchronise,
    whole_batch,
)
from lossforge.training.gradient_balanced_model import GradientBalancedModel
from lossforge.training.precision import set_precision
from lossforge.training.task_metrics import TaskMetrics
from lossforge.training.term_model import TermModel


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a training gave.

    Args:
        score: the recipe's metric after the last epoch; NaN if training stopped early.
        metrics: everything in the logs of the last epoch.
        seconds: wall-clock time of `fit`, data and tracing included.
        reason: why it stopped early, or None.
        task: the task, with the trained network.
    """

    score: float
    metrics: dict[str, float]
    seconds: float
    reason: str | None
    task: Task


def train(
    recipe: Recipe,
    losses: Mapping[str, Loss] | None = None,
    *,
    seed: int = 0,
    epochs: int | None = None,
    precision: str = "float32",
    devices: str = "auto",
    score: str | None = None,
    data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    watch: Callable[[Task, Any], Sequence[keras.callbacks.Callback]] = lambda task, data: (),
    validation_losses: bool = False,
    checkpoint: str | Path | None = None,
    balance: str | None = None,
) -> Outcome:
    """Builds the recipe's data and task, trains with one loss a slot, and scores the result.

    Args:
        recipe: what to train.
        losses: a Loss for each slot; slots left out take the recipe's default.
        seed: of weights, order of examples and augmentation.
        epochs: other than the recipe's.
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto": what suits the hardware.
        devices: "auto", "cpu", "gpu:0,1", "mirrored" or "tpu", see `devices.placed`.
        score: other than the recipe's.
        data: the recipe's data if it is at hand already; it must come from the same seed.
        callbacks: run after the task's metrics are in the logs.
        watch: builds more of them; called with the task and the data.
        validation_losses: whether every term is computed on the validation split too, after each
            epoch (`val_loss`, `val_terms/...`); not for tasks that bring their own model.
        checkpoint: a file that holds the whole state of the training after each epoch. If it is
            there, training goes on from it, and ends bit for bit as if it had not been
            interrupted (on a CPU).
        balance: text of a Balance over the terms, such as `"Uncertainty()"` or `"PCGrad()"`; one
            that needs gradients is not for tasks whose model has a training step of its own.
            `AutoLambda` learns from the validation split.

    Raises:
        RecipeError: for a slot that does not exist, a loss that does not fit it, or a score that
            the task does not measure.
    """
    set_precision(precision)
    keras.utils.set_random_seed(seed)
    data = recipe.data(seed) if data is None else data
    epochs = epochs or recipe.epochs
    at_once, steps = executions(recipe, data.train)
    nan = StopOnNaN(None if checkpoint is None else Path(checkpoint).with_name("nan_batch.npz"))
    keep = [] if checkpoint is None else [Checkpoint(checkpoint)]
    done, last = finished_epochs(checkpoint) if checkpoint else (0, {})
    with placed(devices) as placement:
        check_batch(data.train, placement.count)
        with placement.scope():
            task = recipe.task(data)
            synchronise(task, placement.count)
            fitting = fit_slots(recipe, task.slots, losses or {})
            fitting = whole_batch(fitting, placement.count)
            model = model_of(task, fitting, balance, data.validation)
            if placement.alone_at_each_step:
                at_once = 1
            model.compile(optimizer=recipe.optimizer(steps * epochs), steps_per_execution=at_once)
            balancing = balancing_of(balance, model, data.validation)
            for each in balancing:
                each.set_model(model)  # its state is there before a checkpoint is read
            build(model, task.network)
        if placement.alone_at_each_step:
            keep_first_batch(model)
        predicts_on_one(task)
        for each in keep:
            each.check(model)
        validation_losses = validation_losses and not hasattr(task, "trainable")
        start = time.monotonic()
        history = model.fit(
            stream(data.train, steps, epochs, done),
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=steps,
            validation_data=data.validation if validation_losses else None,
            verbose=0,
            shuffle=False,  # the data brings its own order
            callbacks=[
                nan,
                TaskMetrics(task, data.validation),
                *balancing,
                *recipe.callbacks(steps * epochs),
                *callbacks,
                *watch(task, data),
                *keep,
            ],
        )
    metrics = {n: float(v[-1]) for n, v in history.history.items() if v}
    if done >= epochs:  # it was interrupted between the last epoch and the summary
        metrics = last
    score = score or recipe.score
    if nan.reason is None and score not in metrics:
        known = [name for name in metrics if name.startswith("val_")]
        raise RecipeError(unknown_name("score of this task", score, known))
    value = metrics[score] if nan.reason is None else math.nan
    return Outcome(value, metrics, time.monotonic() - start, nan.reason, task)


def model_of(
    task: Task, losses: Mapping[str, Loss], balance: str | None, validation: Any = None
) -> keras.Model:
    """The model that trains a task: its own, or one with the step that the Balance needs."""
    if hasattr(task, "trainable"):
        return task.trainable(losses)
    if balance and spec.parse_balance(balance).needs_gradients:
        rule = spec.parse_balance(balance)
        return GradientBalancedModel(task.network, task.read, losses, rule, validation=validation)
    return TermModel(task.network, task.read, losses)


def balancing_of(balance: str | None, model: keras.Model, validation: Any) -> list[Balancing]:
    """The callback of a Balance; none where the model itself has the Balance."""
    if not balance or isinstance(model, GradientBalancedModel):
        return []
    return [Balancing(balance, validation=validation)]


def fit_slots(
    recipe: Recipe, slots: Mapping[str, Slot], losses: Mapping[str, Loss]
) -> dict[str, Loss]:
    """A loss for each slot, bound to it; the recipe's defaults where none is given."""
    for name in losses:
        if name not in slots:
            raise RecipeError(unknown_name(f"slot of {recipe.name}", name, slots))
    defaults = {name: spec.parse(text) for name, text in recipe.losses.items()}
    return {name: slots[name].fit(loss) for name, loss in {**defaults, **losses}.items()}


def executions(recipe: Recipe, dataset: Any) -> tuple[int, int]:
    """(batches of a compiled call, steps of an epoch, which has a whole number of these calls)."""
    batches = steps_in(dataset)
    at_once = min(recipe.steps_per_execution, batches)
    return at_once, batches - batches % at_once


def steps_in(dataset: Any) -> int:
    """Batches in a pass over the data.

    Raises:
        RecipeError: for data of unknown or no length: schedules need it.
    """
    steps = int(dataset.cardinality()) if hasattr(dataset, "cardinality") else len(dataset)
    if steps < 1:
        raise RecipeError(
            "The training data has no whole batch or no known length: use fewer examples a batch, "
            "or dataset.apply(tf.data.experimental.assert_cardinality(n))."
        )
    return steps
