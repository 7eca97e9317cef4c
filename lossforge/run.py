"""A run: the directory of one training, written so that a crash leaves no half file."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossforge.errors import StudyError

RECIPE, SETUP, LOSS, SUMMARY = "recipe.py", "setup.json", "loss.yaml", "summary.json"
WEIGHTS, LOGS, HISTORY, EXPORT = "model.weights.h5", "logs", "history.csv", "export"
CHECKPOINT, PICTURES = "checkpoint.npz", "pictures"


class Run:
    """What one training did.

        recipe.py         the recipe's text        loss.yaml         the loss of each slot
        setup.json        settings, seed, ...      summary.json      score and metrics, at the end
        history.csv       every epoch              logs/             TensorBoard event files
        model.weights.h5  trained weights          export/           SavedModel, once exported
        checkpoint.npz    while it trains          pictures/         what the task has to show

    Args:
        path: the directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, parent: str | Path, name: str) -> Run:
        """A new directory `<parent>/<name>-<date>-<time>`, numbered if that exists."""
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            path = Path(parent) / (f"{name}-{stamp}" + (f"-{number}" if number > 1 else ""))
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise StudyError(
                    f"Can't make the run directory {path}: {error.strerror}."
                ) from None
            return cls(path)
        raise StudyError(f"There are too many runs called {name}-{stamp} in {parent}.")

    @classmethod
    def finished(cls, path: str | Path) -> Run:
        """The run in that directory, which must have ended well.

        Raises:
            StudyError: for a directory that does not exist, is no run, or holds one that did not
                finish.
        """
        run = cls.existing(path)
        if not (run.path / SUMMARY).is_file() or not (run.path / WEIGHTS).is_file():
            raise StudyError(
                f"The run '{path}' did not finish: it has no {SUMMARY}. Train it to the end first: "
                f"lossforge train --resume {path}"
            )
        return run

    @classmethod
    def existing(cls, path: str | Path) -> Run:
        """The run in that directory, finished or not.

        Raises:
            StudyError: for a directory that does not exist or is no run.
        """
        run = cls(path)
        if not run.path.is_dir():
            raise StudyError(f"There is no run directory '{path}'. 'lossforge train' makes one.")
        if not (run.path / SETUP).is_file():
            raise StudyError(f"'{path}' is not a run: it has no {SETUP}.")
        return run

    def write(self, name: str, content: str | Mapping[str, Any]) -> None:
        if not isinstance(content, str):
            content = json.dumps(content, indent=2, allow_nan=True) + "\n"
        write_atomically(self.path / name, content)

    def read(self, name: str) -> dict[str, Any]:
        return json.loads((self.path / name).read_text(encoding="utf-8"))


def write_atomically(path: Path, content: str | bytes) -> None:
    """The whole file or nothing: written beside it, synced, then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
