"""lossforge report: a study as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from lossforge.cli import options
from lossforge.errors import NoTrialError


@click.command("report")
@click.argument("study")
@click.option("--storage", metavar="URL", help="Of the study, if it is no journal.")
def command(study, storage) -> None:
    """Write report.html and report.md of a STUDY (its directory).

    What was found and whether it is proven, the table, the history, which parameters matter and
    how, the terms' shares over time, the card of the loss, the trials that failed and why, the loss
    as YAML and Python, versions and the recipe. Opens without a network.

    \b
    lossforge report studies/retinanet-1a2b3c
    """
    from lossforge.search import report
    from lossforge.search import study as studies

    directory = Path(study)
    found = studies.load_study(directory.name, storage, directory)
    if "plan" not in found.user_attrs or not studies.ranked(found):
        raise NoTrialError(f"No trial of {study} completed: there is nothing to report.")
    report.write(found, directory, found.user_attrs["recipe_name"])
    with options.quiet_start():  # the card of the loss is measured on the loss
        from lossforge.search.html_report import write_page

        page = write_page(found, directory)
    click.echo(f"{page}  {directory / report.REPORT}")
