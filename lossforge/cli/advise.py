"""lossforge advise: which loss to begin with, from a look at the data."""

from __future__ import annotations

from pathlib import Path

import click

from lossforge.cli import options
from lossforge.errors import RecipeError


@click.command("advise")
@click.argument("source", metavar="DATA_OR_RECIPE")
@options.SETTINGS
@options.SEED
@click.option("--output", metavar="FILE", help="Write the first choice of each slot as YAML.")
def command(source, settings, seed, output) -> None:
    """Look at the training data of a recipe, or at a folder with one sub-folder a class, and
    recommend losses, where to start their numbers, and what to search, with the reasons.

    \b
    lossforge advise recipes/retinanet.py
    lossforge advise recipes/digits.py --set tail=30
    lossforge advise photographs/ --output loss.yaml
    lossforge train recipes/digits.py --loss loss.yaml
    """
    with options.quiet_start():
        from lossforge import advice, spec
    folder = Path(source)
    if folder.is_dir():
        found = advice.on_classes(list(class_folders(folder).values()))
        click.echo(", ".join(f"{name}: {n}" for name, n in class_folders(folder).items()))
    else:
        from lossforge.recipe import load_recipe

        recipe = load_recipe(source, options.read_settings(settings))
        data = recipe.data(seed)
        found = advice.on_task(recipe.task(data).slots, data.train)
        if not found:
            raise RecipeError(
                f"There is no advice for the slots of {source}: its targets are neither classes, "
                "boxes, identities nor images."
            )
    first: dict[str, str] = {}
    for each in found:
        if each.loss and each.slot not in first:
            first[each.slot] = each.loss
        title = f"{each.slot}: {each.loss}" if each.loss else "Mind"
        click.echo(f"\n{title}\n  {each.reason}")
        if each.search:
            click.echo(f"  Search: {each.search}")
        if each.source:
            click.echo(f"  Source: {each.source}")
    config = spec.dump({slot: spec.parse(text) for slot, text in first.items()})
    click.echo(f"\n{config}")
    if output:
        Path(output).write_text(config, encoding="utf-8")
        click.echo(f"Written to {output}: lossforge train RECIPE --loss {output}")


def class_folders(folder: Path) -> dict[str, int]:
    """Files in each sub-folder.

    Raises:
        RecipeError: when there are not two of them with files.
    """
    counts = {
        each.name: sum(f.is_file() and not f.name.startswith(".") for f in each.iterdir())
        for each in sorted(folder.iterdir())
        if each.is_dir()
    }
    counts = {name: count for name, count in counts.items() if count}
    if len(counts) < 2:
        raise RecipeError(
            f"'{folder}' has no two sub-folders with files: give one sub-folder a class, or a "
            "recipe, such as recipes/retinanet.py --set data=your_coco_folder."
        )
    return counts
