"""lossforge sensitivity: which hyper-parameter of a loss matters, and how much?"""

from __future__ import annotations

from pathlib import Path

import click

from lossforge.cli import options
from lossforge.cli.compare import JOBS, JSON, contender, default_jobs


@click.command("sensitivity")
@click.argument("recipe")
@click.option(
    "--loss", metavar="LOSS", default="", help="As in compare; default: the recipe's own."
)
@click.option(
    "--points", type=click.IntRange(min=2), default=5, show_default=True, help="Values of each."
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each."
)
@click.option("--score", metavar="METRIC", help="A validation metric other than the recipe's.")
@click.option(
    "--directory", metavar="DIR", help="For table and picture.  [default: sensitivity/<recipe>]"
)
@JOBS
@JSON
@options.SETTINGS
@options.SEED
@options.EPOCHS
@options.PRECISION
def command(
    recipe, loss, points, seeds, score, directory, jobs, as_json, settings, seed, epochs, precision
) -> None:
    """Move each hyper-parameter of a loss over its range, one at a time, and train.

    Prints the parameters by the range of the score's mean, and draws the curves with their 95 %
    intervals. What is trained is not trained again.

    \b
    lossforge sensitivity recipes/retinanet.py --loss "Focal(gamma=2.0)"
    lossforge sensitivity recipes/digits.py --set noise=0.4 --loss "SymmetricCrossEntropy()"
    """
    from lossforge.recipe import find_recipe

    path = find_recipe(recipe)
    from lossforge.search.sensitivity import sensitivity
    from lossforge.search.trainings import Setup

    setup = Setup(
        recipe=str(recipe),
        settings=options.read_settings(settings),
        directory=str(directory or Path("sensitivity") / path.stem),
        contenders=(contender(loss),),
        epochs=epochs,
        precision=precision,
        score=score,
        jobs=jobs or default_jobs(),
        points=points,
    )
    found = sensitivity(setup, range(seed, seed + seeds))
    if as_json:
        options.print_json(found)
