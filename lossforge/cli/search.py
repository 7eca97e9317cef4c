"""lossforge search: which loss is best for this recipe?"""

from __future__ import annotations

import os
from pathlib import Path

import click

from lossforge.cli import options
from lossforge.errors import UsageError


@click.command("search")
@click.argument("recipe")
@click.option(
    "--trials",
    type=int,
    default=12,
    show_default=True,
    help="How many trials the study has in the end; those of earlier calls count.",
)
@click.option("--minutes", type=float, help="No new trial starts after so many minutes.")
@click.option(
    "--jobs", type=int, help="Trials at the same time.  [default: one a CPU core, at most 4]"
)
@click.option(
    "--storage",
    metavar="URL",
    help="postgresql://..., sqlite:///..., or a journal file; default: a journal in the directory.",
)
@click.option(
    "--directory",
    metavar="DIR",
    help="The study's directory.  [default: studies/<recipe>-<fingerprint>]",
)
@click.option(
    "--space",
    type=click.Choice(["auto", "all"]),
    default="auto",
    show_default=True,
    help="The losses that the recipe names, or every one that fits its slots.",
)
@click.option(
    "--pruner",
    type=click.Choice(["median", "hyperband", "none"]),
    default="median",
    show_default=True,
    help="What stops trials that fall behind.",
)
@click.option("--score", metavar="METRIC", help="A validation metric other than the recipe's.")
@options.SETTINGS
@options.SEED
@options.EPOCHS
@options.PRECISION
def command(
    recipe, trials, minutes, jobs, storage, directory, space, pruner, score, settings, seed, epochs,
    precision,
) -> None:  # fmt: skip
    """Search the loss of RECIPE by its validation metric. The recipe's own loss is trial 0.

    The same command again goes on where it was left, also after Ctrl-C or a crash.

    \b
    lossforge search recipes/retinanet.py
    lossforge search recipes/retinanet.py --trials 50 --minutes 60
    lossforge search recipes/retinanet.py --set data=my_coco_folder --score val_AP
    lossforge search recipes/retinanet.py --storage postgresql://user@host/losses
    """
    if trials < 1:
        raise UsageError(f"--trials must be at least 1, got {trials}.")
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes must be above 0, got {minutes:g}.")
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be at least 1, got {jobs}.")

    from lossforge.recipe import check_score, find_recipe
    from lossforge.search.plan import Plan, fingerprint
    from lossforge.search.run_search import run_search

    path = find_recipe(recipe)
    if score is not None:
        check_score(score)
    given = options.read_settings(settings)
    same = fingerprint(
        path, settings=given, seed=seed, epochs=epochs, precision=precision, space=space,
        score=score,
    )  # fmt: skip
    run_search(
        Plan(
            recipe=str(recipe),
            settings=given,
            directory=str(directory or Path("studies") / f"{path.stem}-{same}"),
            storage=storage,
            trials=trials,
            minutes=minutes,
            jobs=jobs or min(4, os.cpu_count() or 1),
            seed=seed,
            epochs=epochs,
            precision=precision,
            space=space,
            pruner=pruner,
            score=score,
        )
    )
