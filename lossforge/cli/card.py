"""lossforge card: what a loss rewards, how it pulls, and where it breaks."""

from __future__ import annotations

import click

from lossforge.cli import options


@click.command("card")
@click.argument("loss")
@click.option("--kind", metavar="NAME", help="The kind of tensors, for a loss that reads several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the curves.")
@click.option("--code", is_flag=True, help="Print a Formula as a Keras loss without lossforge.")
@click.option("--plot", metavar="FILE", help="Write a picture of value and gradient.")
def command(loss, kind, as_json, code, plot) -> None:
    """Measure LOSS, any loss as text, and print its card.

    \b
    lossforge card "Focal(gamma=2)"
    lossforge card "Baikal()" --plot baikal.png
    lossforge card "Formula('2 - iou - ioe', task='boxes')" --json
    lossforge card "Formula('abs(y - p)', task='multiclass')" --code > my_loss.py
    """
    from lossforge.errors import UsageError

    with options.quiet_start():
        from lossforge import spec
        from lossforge.loss_card import card
    parsed = spec.parse(loss)
    if code:
        click.echo(_code_of(parsed), nl=False)
        return
    try:
        measured = card(parsed, kind)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if plot:
        try:
            measured.plot(plot)
        except (OSError, ValueError) as error:
            raise UsageError(f"Can't write the picture '{plot}': {error}") from None
    click.echo(measured.json() if as_json else measured.text())


def _code_of(loss) -> str:
    from lossforge.errors import UsageError
    from lossforge.losses.formula import Formula
    from lossforge.losses.formula_source import keras_source

    if not isinstance(loss, Formula):
        raise UsageError(f"--code writes a Formula as Python, got {type(loss).__name__}.")
    return keras_source(loss)
