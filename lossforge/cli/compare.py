"""lossforge compare: which of these losses is better, and can a few seeds tell?"""

from __future__ import annotations

import os
from pathlib import Path

import click

from lossforge.cli import options
from lossforge.errors import UsageError

JOBS = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Trainings at the same time.  [default: one a CPU core, at most 4]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")


@click.command("compare")
@click.argument("recipe")
@click.option(
    "--loss",
    "losses",
    multiple=True,
    metavar="LOSS",
    help="A loss as text, 'slot=loss; slot=loss', or a YAML loss spec; repeated. The first is what "
    "the others are held against; with one only, that is the recipe's own loss.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Trainings of each loss; a second call with more goes on.",
)
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="Which split decides.",
)
@click.option("--score", metavar="METRIC", help="A validation metric other than the recipe's.")
@click.option(
    "--directory", metavar="DIR", help="For table and picture.  [default: comparisons/<recipe>]"
)
@JOBS
@JSON
@options.SETTINGS
@options.SEED
@options.EPOCHS
@options.PRECISION
def command(
    recipe, losses, seeds, split, score, directory, jobs, as_json, settings, seed, epochs, precision
) -> None:
    """Train several losses of RECIPE on the same seeds and compare them.

    Prints each metric's mean and, against the first loss, the difference seed by seed with its 95 %
    interval; writes them as Markdown and JSON, with a plot, and with a grid of what each loss made
    of the same examples where the task has pictures. What is trained is not trained again.

    \b
    lossforge compare recipes/retinanet.py --loss "Focal(gamma=2.0)" --loss "CrossEntropy()"
    lossforge compare recipes/retinanet.py --loss "box=SmoothL1()" --loss "box=GIoU()" --seeds 5
    lossforge compare recipes/digits.py --set noise=0.4 --loss "Focal(gamma=2.0)" --split test
    """
    from lossforge.recipe import check_score, find_recipe

    path = find_recipe(recipe)
    if score is not None:
        check_score(score)
    contenders = [contender(text) for text in losses]
    if not contenders:
        raise UsageError("--loss is missing: give the losses to compare.")
    if len(contenders) == 1:
        contenders.insert(0, ())

    from lossforge.search.compare import compare
    from lossforge.search.trainings import Setup

    setup = Setup(
        recipe=str(recipe),
        settings=options.read_settings(settings),
        directory=str(directory or Path("comparisons") / path.stem),
        contenders=tuple(contenders),
        epochs=epochs,
        precision=precision,
        score=score,
        test=split == "test",
        pictures=True,
        jobs=jobs or default_jobs(),
    )
    found = compare(setup, range(seed, seed + seeds))
    if as_json:
        options.print_json(found.as_data())


def contender(text: str) -> tuple[str, ...]:
    """
    >>> contender("classification=Focal(); box=GIoU()")
    ('classification=Focal()', 'box=GIoU()')
    """
    return tuple(part.strip() for part in text.split(";") if part.strip())


def default_jobs() -> int:
    return min(4, os.cpu_count() or 1)
