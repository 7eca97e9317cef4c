"""Trains several losses on the same seeds, and says which is better."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lossforge.errors import NoTrialError
from lossforge.search.comparison import PICTURE, TABLE, Comparison, comparison_of, label_of
from lossforge.search.comparison_pictures import GRID, draw_grid
from lossforge.search.storage import only_search
from lossforge.search.trainings import Setup, Trainings


def compare(setup: Setup, seeds: Sequence[int], console: Console | None = None) -> Comparison:
    """Trains, writes table, numbers and pictures to the setup's directory, prints.

    Raises:
        NoTrialError: when no training finished.
        LossforgeError: for whatever the user can mend.
    """
    console = console or Console(highlight=False, stderr=True)
    directory = Path(setup.directory)
    with only_search(directory):
        trainings = Trainings(setup, seeds)
        trainings.tell = Progress(trainings, console)
        console.print(f"comparison {directory}: reading the recipe ...", soft_wrap=True)
        try:
            trainings.run()
        except KeyboardInterrupt:
            console.print("interrupted; the same command goes on from here", style="yellow")
            if any(result["metrics"] for result in trainings.results.values()):
                _conclude(trainings, directory, console)
            raise
        if not any(result["metrics"] for result in trainings.results.values()):
            reasons = [result["reason"] for result in trainings.results.values()]
            raise NoTrialError(f"No training finished. The last one: {reasons[-1]}.")
        return _conclude(trainings, directory, console)


class Progress:
    """One line a finished training, with the time left."""

    def __init__(self, trainings: Trainings, console: Console) -> None:
        self.trainings, self.console = trainings, console
        self.start, self.before = time.monotonic(), 0

    def __call__(self, what: str, message: Any) -> None:
        if what == "begin":
            self.start, (self.before, left) = time.monotonic(), message
            if self.before:
                self.console.print(f"{self.before} trainings are known already, {left} to do")
            return
        (contender, seed), result = message
        described, results = self.trainings.described, self.trainings.results
        total = len(described["losses"]) * len(self.trainings.seeds)
        score = score_name(self.trainings)
        value = result["metrics"].get(score)
        shown = f"{score} {value:.4f}" if value is not None else f"failed: {result['reason']}"
        new = len(results) - self.before
        left = (time.monotonic() - self.start) / max(1, new) * (total - len(results))
        label = label_of(described["losses"][contender])
        self.console.print(
            f"{len(results)}/{total}  {label}  seed {seed}  {shown}  {left / 60:.1f} min left",
            soft_wrap=True,
        )


def score_name(trainings: Trainings) -> str:
    """The recipe's score, on the split that decides."""
    score = trainings.described["score"]
    return f"test_{score.removeprefix('val_')}" if trainings.setup.test else score


def _conclude(trainings: Trainings, directory: Path, console: Console) -> Comparison:
    title = f"Losses compared: {trainings.setup.recipe}"
    found = comparison_of(
        title, trainings.described, trainings.results, trainings.seeds, score_name(trainings)
    )
    drawn = draw_grid(directory / GRID, _tiles(trainings), found.labels)
    found.write(directory, GRID if drawn else None)
    show(found, console)
    for index, label in enumerate(found.labels[1:], 1):
        console.print(f"{label} is {found.sentence(index)}.", soft_wrap=True)
    written = [TABLE, PICTURE, *([GRID] if drawn else [])]
    console.print("  ".join(str(directory / name) for name in written), soft_wrap=True)
    return found


def _tiles(trainings: Trainings) -> list[Path]:
    """Pictures of each loss, all of the first seed that every loss has them for, or the first."""
    configs, seeds = trainings.described["configs"], trainings.seeds
    files = [[trainings.setup.tiles(config, seed) for config in configs] for seed in seeds]
    return next((row for row in files if all(f.exists() for f in row)), files[0])


def show(found: Comparison, console: Console) -> None:
    table = Table()
    table.add_column("loss", overflow="fold")
    others = beside(found)
    for name in (found.score, "difference", "95 % interval", *others):
        table.add_column(name)
    for index, label in enumerate(found.labels):
        mean, difference = found.mean(index), found.difference(index) if index else None
        row = [label, "failed" if mean is None else f"{mean:.4f}", "", ""]
        if difference is not None:
            row[2] = f"{difference.mean:+.4f}"
            if difference.pairs > 1:
                row[3] = f"{difference.low:+.4f} to {difference.high:+.4f}"
        means = (found.mean(index, name) for name in others)
        table.add_row(*row, *("" if value is None else f"{value:.4f}" for value in means))
    console.print(table)


def beside(found: Comparison, most: int = 4) -> list[str]:
    """Further metrics of the split that decides; all of them are in the files."""
    split = found.score.split("_")[0]
    return [name for name in found.values if name.startswith(f"{split}_")][1 : most + 1]
