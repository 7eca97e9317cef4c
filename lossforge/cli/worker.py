"""lossforge worker: join a study, from this machine or another."""

from __future__ import annotations

from pathlib import Path

import click

from lossforge.cli.compare import JOBS, default_jobs
from lossforge.cli.options import print_trial


@click.command("worker")
@click.argument("study")
@click.option(
    "--storage",
    metavar="URL",
    help="postgresql+psycopg://..., grpc://host:port (Optuna's proxy); default: the journal in the "
    "study's directory, which all machines must share.",
)
@click.option("--trials", type=click.IntRange(min=1), help="The study's total, if not as planned.")
@click.option("--minutes", type=float, help="No new trial starts after so many minutes.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON on stdout for each trial.")
@JOBS
def command(study, storage, trials, minutes, as_json, jobs) -> None:
    """Work on a STUDY (its directory) that a search began, until it has its trials.

    Start as many as you like, on as many machines as reach the storage: the total is the study's.
    Trials of workers that die or fall silent for five minutes are queued again, once. The recipe
    must be where the search found it, unchanged; where it is missing, the study's copy is used.

    \b
    lossforge worker studies/retinanet-1a2b3c
    lossforge worker studies/retinanet-1a2b3c --storage postgresql+psycopg://user@host/losses
    lossforge worker studies/retinanet-1a2b3c --storage grpc://head-node:13000 --jobs 1
    """
    from lossforge.search.join import join

    join(
        Path(study),
        storage,
        jobs or default_jobs(),
        trials,
        minutes,
        on_trial=print_trial if as_json else None,
    )
