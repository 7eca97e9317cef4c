"""The `lossforge` command. Each command is a file beside this one, imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys

import click

import lossforge
from lossforge.errors import LossforgeError, unknown_name

COMMANDS = {
    "advise": "Recommend a loss to begin with, from a look at the data.",
    "check": "Test a loss of your own, and explain what is wrong with it.",
    "compare": "Train several losses on the same seeds: means, differences, intervals.",
    "confirm": "Prove what a search found: fresh seeds, the test split, rivals of equal budget.",
    "doctor": "Tell what this machine offers, and what is missing.",
    "card": "Measure a loss: optimum, gradient, calibration, invariances.",
    "export": "Write the SavedModel of a finished run, with decoding inside.",
    "init": "Write a starter: a recipe and a loss of your own.",
    "list": "List the losses and what each reads, or the studies.",
    "report": "Write a study as one HTML page that opens without a network.",
    "search": "Search the loss of a recipe, and compare it with the standard one.",
    "sensitivity": "How the score moves with each hyper-parameter of a loss.",
    "show": "Show one loss (formula, tensors, ranges, source), or a study.",
    "tensorboard": "Look at a run or a study in TensorBoard.",
    "train": "Train a recipe once, with any loss.",
    "worker": "Join a study, from this machine or another.",
}


class Commands(click.Group):
    """Commands by name, with their help at hand before they are imported."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command:
        if name not in COMMANDS:
            context.fail(unknown_name("command", name, COMMANDS))
        return importlib.import_module(f"lossforge.cli.{name}").command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="lossforge COMMAND --help shows examples. Exit codes: 0 done, 2 usage, 3 recipe or "
    "loss spec, 4 storage, study or run, 5 no completed trial, 6 export differs, 130 interrupted.",
)
@click.version_option(lossforge.__version__, prog_name="lossforge")
def group() -> None:
    """Losses for Keras 3, their composition, and a search that proves what it finds.

    \b
    lossforge search recipes/retinanet.py
    lossforge train recipes/retinanet.py --loss "Focal(gamma=1.5)"
    lossforge export runs/retinanet-20260101-120000
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a user's mistake is one line on stderr and an exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        group.main(arguments, prog_name="lossforge", standalone_mode=False)
    except LossforgeError as error:
        _stop(str(error), error.exit_code)
    except click.ClickException as error:
        _stop(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        _stop("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a full disk, no permission
        _stop(f"{error.strerror or error}: {error.filename or 'the files of this command'}", 4)


def _stop(message: str, code: int) -> None:
    click.echo(f"lossforge: {' '.join(message.split())}", err=True)
    sys.exit(code)
