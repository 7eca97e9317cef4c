"""lossforge train: one training, one run directory."""

from __future__ import annotations

import click

from lossforge.cli import options


@click.command("train")
@click.argument("recipe")
@click.option(
    "--loss",
    "losses",
    multiple=True,
    metavar="LOSS",
    help="A loss as text, 'slot=loss', or a YAML file with a loss_config; may be repeated.",
)
@options.SETTINGS
@options.SEED
@options.EPOCHS
@options.PRECISION
@click.option("--runs", default="runs", show_default=True, help="Where the run directory is made.")
def command(recipe, losses, settings, seed, epochs, precision, runs) -> None:
    """Train RECIPE once and write a run directory.

    It holds the recipe, the loss as YAML, the trained weights, a summary and TensorBoard logs.

    \b
    lossforge train recipes/retinanet.py
    lossforge train recipes/retinanet.py --loss "Focal(gamma=1.5)" --loss "box=GIoU()"
    lossforge train recipes/retinanet.py --loss "box=SmoothL1() + 0.5*CIoU()" --epochs 20
    lossforge train recipes/retinanet.py --loss studies/retinanet/best_loss.yaml --seed 1
    lossforge train recipes/retinanet.py --set data=voc/2007 --set image_size=512
    """
    from lossforge.recipe import find_recipe

    find_recipe(recipe)  # before the seconds that TensorFlow takes
    with options.quiet_start():
        from lossforge.training.train_run import train_run

    train_run(recipe, losses, options.read_settings(settings), seed, epochs, precision, runs)
