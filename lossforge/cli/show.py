"""lossforge show: one loss, with what it reads, its search ranges and its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lossforge.cli import options

if TYPE_CHECKING:
    from lossforge.losses.base import Loss


@click.command("show")
@click.argument("name")
def command(name) -> None:
    """Show the loss NAME: formula, tensors, search ranges, source, and its text for --loss.

    \b
    lossforge show Focal
    lossforge show GIoU
    """
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
