"""A plan, looked at before it costs anything: one batch through every candidate."""

from __future__ import annotations

import dataclasses
import math

from rich.console import Console
from rich.table import Table

from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.recipe import load_recipe
from lossforge.search.derived_space import candidates, named_loss
from lossforge.search.gradient_scale import gradient_scale
from lossforge.search.plan import Plan
from lossforge.search.space import read_space
from lossforge.training.train import fit_slots


def dry_run(plan: Plan, console: Console | None = None) -> None:
    """Prints the plan, and for each candidate the size of its gradient on the first batch.

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
    read_space(plan.space, recipe, task.slots, plan.further)
    scale = gradient_scale(task, data.train)
    named = {} if plan.space == "all" else recipe.candidates
    table = Table("slot", "candidate", "gradient on the first batch")
    bad = []
    for slot, names in candidates(task.slots, named, plan.further).items():
        for name in names:
            loss = named_loss(name, task.slots[slot])
            size = scale(slot, loss) if scale else math.nan
            table.add_row(slot, spec.text(loss)[:60], f"{size:.3g}" if scale else "not measured")
            if scale and not math.isfinite(size):
                bad.append(f"{slot}={name}")
    console.print(table)
    if bad:
        raise RecipeError(f"Without a finite gradient on the first batch: {', '.join(bad)}.")
