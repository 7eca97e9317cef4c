"""lossforge export: from a finished run to a SavedModel."""

from __future__ import annotations

import click

from lossforge.cli import options


@click.command("export")
@click.argument("run")
@click.option("--output", metavar="DIR", help="Where to write it.  [default: RUN/export]")
def command(run, output) -> None:
    """Write the SavedModel of a finished RUN, with decoding inside, in float32.

    It is loaded again and compared with the trained model on validation data before this command
    says that it is done.

    \b
    lossforge export runs/retinanet-20260101-120000
    """
    from lossforge.run import Run

    found = Run.finished(run)
    with options.quiet_start():
        from lossforge.training.export import export_run
    export_run(found, output)
