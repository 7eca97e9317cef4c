"""lossforge train: one training, one run directory."""

from __future__ import annotations

import click

from lossforge.cli import options
from lossforge.errors import UsageError


@click.command("train")
@click.argument("recipe", required=False)
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
@click.option(
    "--devices",
    default="auto",
    show_default=True,
    metavar="WHICH",
    help="auto, cpu, gpu:0, gpu:0,1, mirrored (all), or tpu (with KERAS_BACKEND=jax).",
)
@click.option(
    "--histograms",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Every N epochs, the distribution of each weight for TensorBoard; 0 for never.",
)
@click.option(
    "--balance",
    metavar="BALANCE",
    help="How terms share the gradient, as text: 'Uncertainty()', 'PCGrad()', 'FAMO()', ...",
)
@click.option(
    "--callback",
    "callbacks",
    multiple=True,
    metavar="CALLBACK",
    help="A callback of lossforge as text, such as \"LossWarmup('box', begin=200)\"; repeatable.",
)
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on with a run that was interrupted, with the recipe, loss, seed and precision it has.",
)
def command(
    recipe, losses, settings, seed, epochs, precision, runs, histograms, balance, callbacks,
    devices, resume,
) -> None:  # fmt: skip
    """Train RECIPE once and write a run directory.

    It holds the recipe, the loss as YAML, the trained weights, a summary, pictures and TensorBoard
    logs. After a crash or a kill, --resume loses no more than the epoch that was running.

    \b
    lossforge train recipes/retinanet.py
    lossforge train recipes/retinanet.py --loss "Focal(gamma=1.5)" --loss "box=GIoU()"
    lossforge train recipes/retinanet.py --loss "box=SmoothL1() + 0.5*CIoU()" --epochs 20
    lossforge train recipes/retinanet.py --loss studies/retinanet/best_loss.yaml --seed 1
    lossforge train recipes/retinanet.py --set data=voc/2007 --set image_size=512
    lossforge train recipes/retinanet.py --balance "Uncertainty()"
    lossforge train recipes/retinanet.py --callback "Anneal('focal.gamma', linear(0, 2, 1000))"
    lossforge train --resume runs/retinanet-20260101-120000
    """
    from lossforge.recipe import find_recipe
    from lossforge.run import Run

    if resume:
        if recipe or losses or settings or balance or callbacks:
            raise UsageError(
                "--resume takes recipe, settings and loss from the run: give it alone."
            )
        Run.existing(resume)
        with options.quiet_start():
            from lossforge.training.train_run import resume_run
        resume_run(resume)
        return
    if not recipe:
        raise UsageError("train needs a RECIPE, such as recipes/retinanet.py, or --resume RUN.")
    find_recipe(recipe)  # before the seconds that TensorFlow takes
    with options.quiet_start():
        from lossforge.training.train_run import train_run

    given = options.read_settings(settings)
    train_run(
        recipe, losses, given, seed, epochs, precision, runs, histograms, balance, callbacks,
        devices,
    )  # fmt: skip
