"""What a recipe's metrics are before any training, and what pixels alone give.

    python tools/bench/untrained.py recipes/triplet.py
    python tools/bench/untrained.py recipes/simclr.py --seeds 5

The mean over untrained networks of several seeds, on validation and test: what a training has to
be held against. For pictures with identities or classes also the same metrics of plain pixels.
"""

from __future__ import annotations

from typing import Any

import click
import keras
import numpy as np

from lossforge.data.embedding import stacked
from lossforge.metrics.linear_probe import linear_probe
from lossforge.metrics.retrieval import retrieval_metrics
from lossforge.recipe import load_recipe


def of_pixels(task: Any, dataset: Any) -> dict[str, float]:
    """Pixels in the place of the task's embeddings or features."""
    images, labels = stacked(dataset)
    rows = images.reshape(len(images), -1)
    if hasattr(task, "labelled"):
        known, classes = task.labelled
        known = known.reshape(len(known), -1)
        return {
            f"probe@{task.few}": linear_probe(known, classes, rows, labels, task.few),
            "probe": linear_probe(known, classes, rows, labels),
        }
    if labels.ndim == 1:
        return retrieval_metrics(rows - rows.mean(axis=0), labels)
    return {}


@click.command()
@click.argument("recipe")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1))
def main(recipe: str, seeds: int) -> None:
    """Print the metrics of RECIPE's untrained network, and of pixels."""
    built = load_recipe(recipe)
    data = built.data(0)
    for split in ("validation", "test"):
        dataset = getattr(data, split)
        found = []
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            task = built.task(data)
            found.append(task.evaluate(dataset))
        pixels = of_pixels(task, dataset)
        print(f"\n| {split} | untrained, {seeds} seeds | pixels |\n|---|---|---|")
        for name in found[0]:
            mean = np.mean([metrics[name] for metrics in found])
            shown = f"{pixels[name]:.3f}" if name in pixels else ""
            print(f"| {name} | {mean:.3f} | {shown} |")


if __name__ == "__main__":
    main()
