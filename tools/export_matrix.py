"""Every recipe in every format: how far each export is from its model, or why there is none.

    python tools/export_matrix.py
    python tools/export_matrix.py recipes/retinanet.py my_recipe.py

Each recipe is trained for an epoch on little data, so that its weights are not those of a start.
"""

import inspect
import runpy
import sys
import tempfile
from pathlib import Path

import click

from lossforge.errors import LossforgeError
from lossforge.training import formats
from lossforge.training.export import export_task
from lossforge.training.train import train

RECIPES = Path(__file__).parents[1] / "recipes"
LITTLE = {"train_examples": 64, "train_patches": 32, "steps_per_epoch": 4, "steps": 4, "size": 96}


def cell(task, images, directory: Path, name: str) -> str:
    try:
        done = export_task(task, images, directory / name, name)
    except LossforgeError as error:
        return f"no: {' '.join(str(error).split())[:120]}"
    return f"max {done.largest:.1e}, mean {done.mean:.1e}"


def little(path: str) -> dict[str, int]:
    """Those settings of a recipe that make it short."""
    known = inspect.signature(runpy.run_path(path)["recipe"]).parameters
    return {name: value for name, value in LITTLE.items() if name in known}


@click.command()
@click.argument("recipes", nargs=-1)
def main(recipes) -> None:
    """Print the matrix of all recipes, or of those given; ends with 1 if a SavedModel fails."""
    from lossforge.recipe import load_recipe

    failed = False
    print("| recipe | " + " | ".join(formats.FILES) + " |")
    print("|---" * (1 + len(formats.FILES)) + "|")
    every = [str(path) for path in sorted(RECIPES.glob("[!_]*.py"))]
    for path in recipes or every:
        recipe = load_recipe(path, little(path))
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
