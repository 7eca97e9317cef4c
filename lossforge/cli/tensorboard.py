"""lossforge tensorboard: look at a run, at all runs, or at a study."""

from __future__ import annotations

import time
from pathlib import Path

import click

from lossforge.cli import options
from lossforge.errors import StudyError, UsageError

REFRESH = 20.0  # seconds


@click.command("tensorboard")
@click.argument("directory", default="runs")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=6006, show_default=True, help="0: a free one."
)
@click.option("--host", default="localhost", show_default=True, help="0.0.0.0: every network.")
@click.option(
    "--storage", metavar="URL", help="Where the study is, when it is not in its directory."
)
def command(directory, port, host, storage) -> None:
    """Start TensorBoard on a run, a directory of runs, or a study.  [default: runs]

    Scalars and Custom Scalars show the terms in training and validation, Images what the task has
    to show, HParams, for a study, one row a trial. Ctrl-C ends it.

    \b
    lossforge tensorboard runs/retinanet-20260101-120000
    lossforge tensorboard runs
    lossforge tensorboard studies/retinanet-3f9a1c --port 6007
    lossforge tensorboard studies/shared --storage postgresql+psycopg://user@host/losses
    """
    path, board = Path(directory), None
    if storage or (path / "journal.log").is_file():
        with options.quiet_start():
            from lossforge.monitor.study_board import board_of
        board = board_of(path, storage)
        click.echo(f"{board.update()} trials of {path.name}")
        path = board.path
    logs = log_directory(path)
    click.echo(f"TensorBoard of {logs}: {launch(logs, host, port)} (Ctrl-C ends it)")
    while True:
        time.sleep(REFRESH)
        if board is not None:  # trials that have finished in the meantime
            board.update()


def log_directory(directory: Path) -> Path:
    """Where the event files of a run, a study or a directory of runs are.

    Raises:
        StudyError: when there are none.
    """
    if not directory.is_dir():
        raise StudyError(
            f"There is no directory '{directory}'. 'lossforge train' makes runs, "
            "'lossforge search' makes studies."
        )
    if (directory / "setup.json").is_file():
        directory = directory / "logs"
    if not any(directory.rglob("events.out.tfevents.*")):
        raise StudyError(f"There is nothing to show in '{directory}': it has no event files.")
    return directory


def launch(logs: Path, host: str, port: int) -> str:
    """Serves the event files from a thread of this process; the address.

    Raises:
        UsageError: when the port is taken.
    """
    from tensorboard import default, program

    board = program.TensorBoard(default.get_plugins())
    board.configure(logdir=str(logs), host=host, port=port, load_fast="false")
    try:
        return board.launch()
    except program.TensorBoardServerException as error:
        raise UsageError(f"TensorBoard can't start: {' '.join(str(error).split())}") from None
