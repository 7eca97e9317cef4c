"""A plan, looked at before it costs anything: one batch through every candidate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import optuna
from rich.console import Console
from rich.table import Table

from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.losses.base import Loss
from lossforge.recipe import Recipe, Slot, load_recipe
from lossforge.search.derived_space import candidates, named_loss
from lossforge.search.gradient_scale import gradient_scale
from lossforge.search.plan import Plan
from lossforge.search.space import SpaceFile, read_space
from lossforge.training.train import fit_slots

DRAWS = 20


def dry_run(plan: Plan, console: Console | None = None) -> None:
    """Prints the plan, and for each candidate the size of its gradient on the first batch.

    Of a space file, which names no candidates, some draws are tried.

    Raises:
        RecipeError: for a candidate that does not compute, or gives no finite gradient.
    """
    console = console or Console(highlight=False)
    for name, value in dataclasses.asdict(plan).items():
        if value not in (None, {}, ()) and name != "storage":  # it may hold a password
            console.print(f"{name}: {value}")
    recipe = load_recipe(plan.recipe, plan.settings)
    data = recipe.data(plan.seed)
    task = recipe.task(data)
    fit_slots(recipe, task.slots, {})
    space = read_space(plan.space, recipe, task.slots, plan.further)
    scale = gradient_scale(task, data.train)
    table = Table("slot", "candidate", "gradient on the first batch")
    bad = []
    if isinstance(space, SpaceFile):
        tried = _drawn(space, plan)
    else:
        tried = _all(recipe, task.slots, plan)
    for slot, loss in tried:
        size = scale(slot, loss) if scale else math.nan
        table.add_row(slot, spec.text(loss)[:60], f"{size:.3g}" if scale else "not measured")
        if scale and not math.isfinite(size):
            bad.append(f"{slot}={spec.text(loss)}")
    console.print(table)
    if bad:
        raise RecipeError(f"Without a finite gradient on the first batch: {', '.join(bad)}.")


def _all(recipe: Recipe, slots: Mapping[str, Slot], plan: Plan) -> Iterator[tuple[str, Loss]]:
    """Every candidate, as it is by itself."""
    named = {} if plan.space == "all" else recipe.candidates
    for slot, names in candidates(slots, named, plan.further).items():
        for name in names:
            yield slot, named_loss(name, slots[slot])


def _drawn(space: SpaceFile, plan: Plan) -> Iterator[tuple[str, Loss]]:
    """Some losses of a space that only says what it draws."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=plan.seed))
    drawn = [space.suggest(study.ask()) for _ in range(DRAWS)]
    texts = {(slot, spec.text(loss)): loss for one in drawn for slot, loss in one.losses.items()}
    for (slot, _), loss in texts.items():
        yield slot, loss
