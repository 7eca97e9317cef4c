"""lossforge confirm: is what a search found really better?"""

from __future__ import annotations

from pathlib import Path

import click

from lossforge.cli import options
from lossforge.cli.compare import JOBS, JSON, default_jobs


@click.command("confirm")
@click.argument("study")
@click.option(
    "--seeds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Fresh seeds for each loss.",
)
@click.option("--storage", metavar="URL", help="Of the study, if it is no journal.")
@click.option(
    "--rivals/--no-rivals",
    default=True,
    show_default=True,
    help="Two more searches of the study's budget: tuned named losses, and random ones.",
)
@JOBS
@JSON
def command(study, seeds, storage, rivals, jobs, as_json) -> None:
    """Prove what the STUDY (a directory) found.

    Trains the found loss, the recipe's own, the best tuned named loss and the best of a random
    search on fresh seeds, scores the test split, and prints the differences with 95 % intervals and
    plain sentences. What is trained is not trained again. A test split that was scored before is
    named as such.

    \b
    lossforge confirm studies/retinanet-1a2b3c
    lossforge confirm studies/retinanet-1a2b3c --seeds 10
    lossforge confirm studies/digits-1a2b3c --no-rivals --json
    """
    from lossforge.search.confirm import confirm

    found = confirm(Path(study), seeds, jobs or default_jobs(), storage, rivals)
    if as_json:
        options.print_json(found.as_data())
