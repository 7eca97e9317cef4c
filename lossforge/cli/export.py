"""lossforge export: from a finished run to a model that others can run."""

from __future__ import annotations

import click

from lossforge.cli import options


@click.command("export")
@click.argument("run")
@click.option(
    "--format",
    "name",
    type=click.Choice(["saved_model", "onnx", "litert", "openvino", "keras"]),
    default="saved_model",
    show_default=True,
    help="Only a SavedModel holds everything that prediction needs, such as suppression of boxes.",
)
@click.option(
    "--output",
    metavar="DIR",
    help="Where to write it.  [default: RUN/export, RUN/export_onnx, ...]",
)
@click.option("--serving", is_flag=True, help="A numbered version, as TensorFlow Serving wants it.")
def command(run, name, output, serving) -> None:
    """Write the model of a finished RUN for others to run, in float32.

    It is loaded again by the format's own runtime and compared with the trained model on validation
    data before this command says that it is done (exit code 6 if they differ). model.json beside it
    tells shapes and class names.

    \b
    lossforge export runs/retinanet-20260101-120000
    lossforge export runs/retinanet-20260101-120000 --format onnx
    lossforge export runs/retinanet-20260101-120000 --output models/detector --serving
    """
    from lossforge.run import Run

    found = Run.finished(run)
    with options.quiet_start():
        from lossforge.training.export import export_run
    export_run(found, output, format=name, serving=serving)
