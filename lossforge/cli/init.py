"""lossforge init: a recipe of your own, from one that works."""

from __future__ import annotations

from pathlib import Path

import click

from lossforge.errors import StudyError

LOSS = '''"""A loss of your own. Test it:  lossforge check {directory}/my_loss.py

It is a pure function from targets and predictions to one value an example, in keras.ops.
The recipe beside it imports this file, so the loss has a name there: losses={{"...": "MyLoss()"}}.
"""

from keras import ops

from lossforge.losses.base import Loss
from lossforge.ranges import Float


class MyLoss(Loss):
    """Squared error that counts what is too low more than what is too high.

    Reads: `y_true` and `y_pred` of shape (batch, size), any unit.
    Returns: (batch,).
    Source: yours.

    >>> float(MyLoss(too_low=2.0)([[1.0]], [[0.0]]))
    2.0
    """

    kinds = ("regression",)
    source = "yours"
    search = {{"too_low": Float(0.5, 8.0, log=True)}}

    def __init__(self, too_low: float = 2.0, **base) -> None:
        super().__init__(**base)
        self.too_low = too_low

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        weight = 1.0 + (self.too_low - 1.0) * ops.cast(error > 0, error.dtype)
        return ops.mean(weight * ops.square(error), axis=-1)
'''

IMPORT = "import keras\n"
SLOTS = {"retinanet": "box", "srresnet": "image", "deblur": "image"}  # that take MyLoss


@click.command("init")
@click.argument("directory", default=".")
@click.option(
    "--recipe", default="retinanet", show_default=True, help="Name of the recipe to start from."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def command(directory, recipe, force) -> None:
    """Write a recipe and a loss to start from into DIRECTORY.

    \b
    lossforge init my_project
    lossforge init my_project --recipe retinanet
    """
    from lossforge.recipe import find_recipe

    source = find_recipe(f"recipes/{recipe.removesuffix('.py')}.py")
    text = source.read_text(encoding="utf-8")
    files = {
        source.name: text.replace(IMPORT, f"{IMPORT}import my_loss  # noqa: F401\n", 1),
        "my_loss.py": LOSS.format(directory=directory),
    }
    target = Path(directory)
    there = [name for name in files if (target / name).exists()]
    if there and not force:
        raise StudyError(
            f"There is already {', '.join(str(target / name) for name in there)}. "
            "Give another directory, or --force to overwrite."
        )
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (target / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StudyError(f"Can't write to '{directory}': {error.strerror}.") from None
    click.echo(f"{target / source.name}  what is trained, and how it is judged; train it:")
    click.echo(f"    lossforge train {target / source.name}")
    click.echo(f"    lossforge search {target / source.name}")
    click.echo(f"{target / 'my_loss.py'}  a loss of your own; test it:")
    click.echo(f"    lossforge check {target / 'my_loss.py'}")
    if source.stem in SLOTS:
        given = f'--loss "{SLOTS[source.stem]}=MyLoss(too_low=3.0)"'
        click.echo(f"    lossforge train {target / source.name} {given}")
