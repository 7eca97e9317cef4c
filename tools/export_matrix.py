"""Every task in every format: how far each export is from its model, or why there is none.

    python tools/export_matrix.py recipes/retinanet.py recipes/digits.py recipes/srresnet.py

Each recipe is trained for one epoch, so that its weights are not those of a start.
"""

import sys
import tempfile
from pathlib import Path

import click

from lossforge.errors import LossforgeError
from lossforge.training import formats
from lossforge.training.export import export_task
from lossforge.training.train import train


def cell(task, images, directory: Path, name: str) -> str:
    try:
        done = export_task(task, images, directory / name, name)
    except LossforgeError as error:
        return f"no: {' '.join(str(error).split())[:120]}"
    return f"max {done.largest:.1e}, mean {done.mean:.1e}"


@click.command()
@click.argument("recipes", nargs=-1, required=True)
def main(recipes) -> None:
    """Print the matrix as Markdown; ends with 1 if a SavedModel fails."""
    from lossforge.recipe import load_recipe

    failed = False
    print("| recipe | " + " | ".join(formats.FILES) + " |")
    print("|---" * (1 + len(formats.FILES)) + "|")
    for path in recipes:
        recipe = load_recipe(path)
        data = recipe.data(0)
        task = train(recipe, epochs=1, data=data).task
        images = next(iter(data.validation))[0]
        with tempfile.TemporaryDirectory() as directory:
            cells = [cell(task, images, Path(directory), name) for name in formats.FILES]
        failed |= cells[0].startswith("no")
        print(f"| {recipe.name} | " + " | ".join(cells) + " |", flush=True)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
