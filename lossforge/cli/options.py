"""Options that several commands share, and how their text is read. Imports no TensorFlow."""

from __future__ import annotations

import ast
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from lossforge.errors import UsageError

SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument of the recipe's recipe() function; may be repeated.",
)
PRECISION = click.option(
    "--precision",
    type=click.Choice(
        ["auto", "float32", "mixed_bfloat16", "mixed_float16", "bfloat16", "float16"]
    ),
    default="auto",
    show_default=True,
    metavar="POLICY",
    help="float32, mixed_bfloat16 or mixed_float16; auto: what suits the hardware (CPU: float32). "
    "Weights and losses stay float32.",
)
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Of every random draw.")
EPOCHS = click.option(
    "--epochs", type=click.IntRange(min=1), help="Passes over the data, other than the recipe's."
)


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Holds back what TensorFlow's native code prints when it is first imported."""
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow  # noqa: F401

            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)


def print_json(data: Any) -> None:
    """One line of JSON on stdout."""
    import json

    print(json.dumps(data), flush=True)


def print_trial(trial: Any) -> None:
    """A finished trial as one line of JSON on stdout."""
    known = ("losses", "reason", "seconds", "metrics", "origin")
    kept = {name: trial.user_attrs[name] for name in known if name in trial.user_attrs}
    state = trial.state.name.lower()
    values = trial.values if state == "complete" else None
    print_json({"trial": trial.number, "state": state, "values": values, **kept})


def read_settings(texts: Iterable[str]) -> dict[str, Any]:
    """
    >>> read_settings(["epochs=3", "data=voc/2007", "model=keras_cv:retinanet"])
    {'epochs': 3, 'data': 'voc/2007', 'model': 'keras_cv:retinanet'}
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UsageError(f"--set takes name=value, such as --set epochs=3, got '{text}'.")
        try:
            settings[name.strip()] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name.strip()] = value
    return settings


def read_losses(texts: Iterable[str], slots: Iterable[str]) -> dict[str, Any]:
    """{slot: Loss} of `--loss` texts: a loss, `slot=loss`, or a YAML file.

    A loss without a slot is for the first slot.
    """
    from lossforge import spec

    losses: dict[str, Any] = {}
    slots = list(slots)
    for text in texts:
        slot, equals, loss = text.partition("=")
        if text.lower().endswith((".yaml", ".yml")):
            losses |= spec.load(Path(text))
        elif equals and slot.strip().isidentifier():
            losses[slot.strip()] = spec.parse(loss)
        else:
            losses[slots[0]] = spec.parse(text)
    return losses


def read_dynamics(
    losses: Iterable[str], balance: str | None, callbacks: Iterable[str]
) -> tuple[str | None, list[str]]:
    """The Balance and the callbacks: as given, or else those of a YAML file among `--loss`."""
    from lossforge import spec

    given = list(callbacks)
    if balance:
        spec.parse_balance(balance)
    for callback in given:
        spec.parse_callback(callback)
    for text in losses:
        if text.lower().endswith((".yaml", ".yml")):
            stored, more = spec.load_dynamics(Path(text))
            balance, given = balance or stored, given or more
    return balance, given
