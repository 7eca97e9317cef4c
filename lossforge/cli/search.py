"""lossforge search: which loss is best for this recipe?"""

from __future__ import annotations

import os
from pathlib import Path

import click

from lossforge.cli import options
from lossforge.errors import UsageError

GATE_FROM, FINALS = 24, 4


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
    metavar="SPACE",
    default="auto",
    show_default=True,
    help="auto: the losses that the recipe names; all: every one that fits its slots; named: the "
    "recipe's, one at a time; or a file with space(trial), such as search_spaces/detection.py.",
)
@click.option(
    "--pruner",
    type=click.Choice(["halving", "median", "hyperband", "none"]),
    default="halving",
    show_default=True,
    help="What stops trials that fall behind.",
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "random"]),
    default="tpe",
    show_default=True,
    help="What draws the trials.",
)
@click.option(
    "--score",
    metavar="METRIC",
    help="A validation metric other than the recipe's; 'a,b:min' is the front of several.",
)
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="CONDITION",
    help="What a trial must hold to count, such as 'val_AP75>=0.3'; repeated.",
)
@click.option(
    "--gate/--no-gate",
    default=None,
    help="First see with a few named losses whether the loss matters here.  [default: from 24 "
    "trials on, where it is at most half of the search]",
)
@click.option(
    "--finals",
    type=click.IntRange(min=0),
    metavar="SEEDS",
    help="Train the best trials again on so many further seeds, and choose by the mean; 0: don't.  "
    "[default: 4 from 24 trials on, else 0]",
)
@click.option("--anyway", is_flag=True, help="Search even where the gate sees no headroom.")
@click.option(
    "--dry-run", is_flag=True, help="Only show the plan, and try every candidate on one batch."
)
@click.option(
    "--formulas",
    is_flag=True,
    help="Search the form of the loss first, on a small copy of the problem; the best formulas "
    "are tried beside the recipe's losses. Takes half of --minutes, or at most 3.",
)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON on stdout for each trial.")
@options.SETTINGS
@options.SEED
@options.EPOCHS
@options.PRECISION
def command(
    recipe, trials, minutes, jobs, storage, directory, space, pruner, sampler, score, guards,
    formulas, gate, finals, anyway, dry_run, as_json, settings, seed, epochs, precision,
) -> None:  # fmt: skip
    """Search the loss of RECIPE by its validation metric. The recipe's own loss is trial 0.

    The same command again goes on where it was left, also after Ctrl-C or a crash. A larger
    search begins with a gate, which trains a few named losses on a few seeds: where none beats the
    recipe's own beyond noise, a search would only find luck, and nothing is searched without
    --anyway.

    \b
    lossforge search recipes/retinanet.py
    lossforge search recipes/retinanet.py --trials 50 --minutes 60
    lossforge search recipes/retinanet.py --set data=my_coco_folder --score val_AP
    lossforge search recipes/retinanet.py --guard "val_AP75>=0.3" --space search_spaces/detection.py
    lossforge search recipes/digits.py --set noise=0.4 --formulas --minutes 5
    lossforge search recipes/retinanet.py --storage postgresql+psycopg://user@host/losses
    """
    if trials < 1:
        raise UsageError(f"--trials must be at least 1, got {trials}.")
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes must be above 0, got {minutes:g}.")
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be at least 1, got {jobs}.")

    several = score is not None and "," in score
    if finals and several:
        raise UsageError("--finals chooses by one score; leave it out with several.")
    if finals is None:
        finals = FINALS if trials >= GATE_FROM and not several else 0
    if formulas and (space not in ("auto", "all", "named") or dry_run):
        raise UsageError(
            "--formulas adds candidates to --space auto, all or named, and has no --dry-run."
        )

    from lossforge.recipe import check_score, find_recipe
    from lossforge.search.plan import Plan, fingerprint, objectives, read_guard
    from lossforge.search.run_search import run_search

    path = find_recipe(recipe)
    for objective in objectives(score, "", "maximize") if score else []:
        check_score(objective.metric)
    for guard in guards:
        read_guard(guard)
    given = options.read_settings(settings)
    same = fingerprint(
        path, settings=given, seed=seed, epochs=epochs, precision=precision,
        space=f"{space} and formulas" if formulas else space,
        score=score, guards=guards, sampler=sampler,
    )  # fmt: skip
    directory = str(directory or Path("studies") / f"{path.stem}-{same}")
    plan = Plan(
        recipe=str(recipe),
        settings=given,
        directory=directory,
        storage=storage,
        trials=trials,
        minutes=minutes,
        jobs=jobs or min(4, os.cpu_count() or 1),
        seed=seed,
        epochs=epochs,
        precision=precision,
        space=space,
        sampler=sampler,
        pruner=pruner,
        score=score,
        guards=guards,
        finals=finals,
    )
    if dry_run:
        with options.quiet_start():
            from lossforge.search.dry_run import dry_run as try_all

        try_all(plan)
        return
    if trials >= GATE_FROM if gate is None else gate:
        from lossforge.search.gate import gate as headroom_gate

        found = headroom_gate(plan)
        if not (found.enough or anyway):
            click.echo("Nothing is searched; --anyway searches all the same.", err=True)
            return
    if formulas:
        plan = _with_formulas(plan, as_json)
    run_search(plan, on_trial=options.print_trial if as_json else None)


def _with_formulas(plan, as_json):
    """The plan, with formulas that half of its time has found as further candidates."""
    import dataclasses

    from lossforge.search.symbolic.find_formulas import find_formulas

    half = plan.minutes / 2 if plan.minutes else 3.0
    click.echo(f"formulas: searching for about {half:.1f} min ...", err=True)
    further, lines = find_formulas(plan.recipe, plan.settings, plan.seed, half, plan.directory)
    for line in lines:
        click.echo(line, err=as_json)
    return dataclasses.replace(plan, further=further, minutes=plan.minutes and half)
