"""lossforge show: one loss, with what it reads, its search ranges and its text; or a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossforge.cli import options

if TYPE_CHECKING:
    from lossforge.losses.base import Loss


@click.command("show")
@click.argument("name")
@click.option("--storage", metavar="URL", help="Of a study in a database.")
@click.option("--json", "as_json", is_flag=True, help="Print a study as JSON.")
def command(name, storage, as_json) -> None:
    """Show the loss NAME: formula, tensors, search ranges, source, and its text for --loss.

    Where NAME is the directory of a study: its trials, what was found, and what is proven.

    \b
    lossforge show Focal
    lossforge show GIoU
    lossforge show studies/retinanet-1a2b3c
    """
    if storage or "/" in name or Path(name).is_dir():
        _study(Path(name), storage, as_json)
    else:
        _loss(name)


def _study(directory: Path, storage: str | None, as_json: bool) -> None:
    from lossforge.search import study as studies
    from lossforge.search.summary import lines, summary

    study = studies.load_study(directory.name, storage, directory)
    found = summary(study, directory)
    if as_json:
        options.print_json(found)
        return
    click.echo("\n".join(lines(study, found)))


def _loss(name: str) -> None:
    import inspect

    from lossforge.errors import RecipeError, unknown_name

    with options.quiet_start():
        from lossforge.losses import LOSSES
    if name not in LOSSES:
        raise RecipeError(unknown_name("loss", name, LOSSES))
    cls = LOSSES[name]
    click.echo(f"{name}\n\n{inspect.cleandoc(cls.__doc__ or '')}\n")
    _section("Kinds", _kinds(cls))
    _section("Search", {n: in_words(values) for n, values in cls.search.items()})
    click.echo(f"Source: {cls.source or 'none'}")
    click.echo(f"Text: {example(cls) or 'none; build it in Python'}")


def example(cls: type[Loss]) -> str | None:
    """The text of a loss that `--loss` reads, with as many arguments as are tested together."""
    from lossforge import spec
    from lossforge.errors import RecipeError
    from lossforge.losses.composite import Composite

    if cls is Composite:
        return spec.text(spec.parse("Focal() + 0.5*Dice()"))
    if not cls.wraps:
        return spec.text(cls(**max(cls.variants, key=len)))
    for inner in ("Focal", "Dice"):
        try:
            return spec.text(spec.parse(f"{cls.__name__}({inner}())"))
        except RecipeError:  # it wraps other losses than this one, or needs more than a loss
            continue
    return None


def in_words(values: Any) -> str:
    """
    >>> from lossforge.ranges import Choice, Float
    >>> in_words(Float(0.1, 10.0, log=True))
    '0.1 to 10, by magnitude'
    >>> in_words(Choice((None, 0.25)))
    'None or 0.25'
    """
    if hasattr(values, "options"):
        return " or ".join(map(repr, values.options))
    return f"{values.low:g} to {values.high:g}" + (", by magnitude" if values.log else "")


def _kinds(cls: type[Loss]) -> dict[str, str]:
    from lossforge.kinds import kind_of

    if cls.wraps:
        return {"wraps": "what the losses inside read"}
    return {kind: kind_of(kind).reads for kind in cls.kinds}


def _section(title: str, lines: dict[str, str]) -> None:
    click.echo(f"{title}:" if lines else f"{title}: none")
    for name, words in lines.items():
        click.echo(f"  {name:{max(map(len, lines))}}  {words}")
