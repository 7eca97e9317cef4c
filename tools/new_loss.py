"""Starts a loss: its file and its oracle, which fail the conformance kit until they are written.

python tools/new_loss.py Quartic --kind regression --family regression
"""

from __future__ import annotations

import keyword
import re
import textwrap
from pathlib import Path

import click

from lossforge.cli import options
from lossforge.errors import UsageError, unknown_name
from lossforge.kinds import KINDS, Kind

LOSS = '''"""{name}: what it does, in one line."""

from __future__ import annotations

from typing import Any

from lossforge.losses.base import Loss


class {name}(Loss):
    """What it is for, in one line.

        loss = the formula

{reads}
    Returns: the shape of the values, one for each example.
    Edges: what happens where the formula has none.
    Source: authors, year, title, equation.

    >>> float({name}()([[0.0]], [[0.0]]))
    0.0
{arguments}    """

    kinds = ("{kind}",)
    source = ""
{constructor}
    def call(self, y_true: Any, y_pred: Any) -> Any:
        raise NotImplementedError("Return one value for each example.")
'''

ARGUMENTS = """
    Args:
        from_logits: whether predictions are logits.
"""

CONSTRUCTOR = """    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)
"""

ORACLE = '''"""{name}, one element at a time."""


def {function}(y_true, y_pred{arguments}):
    raise NotImplementedError("Write the formula of the paper in NumPy, in float64.")
'''


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name")
@click.option("--kind", required=True, help="Of the tensors that it reads, see lossforge/kinds/.")
@click.option("--family", required=True, help="A folder of lossforge/losses.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(__file__).parents[1],
    help="The checkout to write to.  [default: this one]",
)
def command(name: str, kind: str, family: str, root: Path) -> None:
    """Start the loss NAME: write its file and its oracle, to be filled in.

    \b
    python tools/new_loss.py Quartic --kind regression --family regression
    """
    try:
        paths = write(name, kind, family, root)
    except UsageError as error:
        raise click.UsageError(str(error)) from None
    for path in paths:
        click.echo(f"wrote {path}")
    click.echo(f"Fill them in until `pytest -k {name}` passes.")


def write(name: str, kind: str, family: str, root: Path) -> tuple[Path, Path]:
    """Writes the two files, and returns their paths.

    Raises:
        UsageError: for a name that is no loss's or is taken, an unknown kind or family, or a file
            that exists; then nothing is written.
    """
    with options.quiet_start():
        from lossforge.losses import LOSSES
    from lossforge.losses.base import snake_case

    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or keyword.iskeyword(name):
        raise UsageError(f"A loss is called like 'SmoothL1', got '{name}'.")
    if name.endswith("Loss"):
        raise UsageError(f"A loss is called without the word Loss, got '{name}'.")
    if name in LOSSES:
        raise UsageError(f"There is a loss called '{name}' in {LOSSES[name].__module__}.")
    if kind not in KINDS:
        raise UsageError(unknown_name("kind", kind, KINDS))
    losses = root / "lossforge" / "losses"
    families = [path.parent.name for path in losses.glob("*/__init__.py")]
    if family not in families:
        raise UsageError(unknown_name("family", family, families))
    function = snake_case(name)
    contents = {
        losses / family / f"{function}.py": loss_text(name, KINDS[kind]),
        root / "tests" / "oracles" / family / f"{function}.py": oracle_text(name, KINDS[kind]),
    }
    for path in contents:
        if path.exists():
            raise UsageError(f"'{path}' exists; remove it, or choose another name.")
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    loss, oracle = contents
    return loss, oracle


def loss_text(name: str, kind: Kind) -> str:
    reads = textwrap.wrap(
        f"Reads: {kind.reads}.", 100, initial_indent=" " * 4, subsequent_indent=" " * 8
    )
    return LOSS.format(
        name=name,
        kind=kind.name,
        reads="\n".join(reads),
        arguments=ARGUMENTS if kind.activation else "",
        constructor=CONSTRUCTOR if kind.activation else "",
    )


def oracle_text(name: str, kind: Kind) -> str:
    from lossforge.losses.base import snake_case

    arguments = ", from_logits" if kind.activation else ""
    return ORACLE.format(name=name, function=snake_case(name), arguments=arguments)


if __name__ == "__main__":
    command()
