"""Several losses on the same seeds, trained in worker processes; what is done is never redone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from lossforge.errors import LossforgeError, StudyError
from lossforge.recipe import find_recipe
from lossforge.search.comparison_pictures import FOLDER
from lossforge.search.processes import JOBS_A_CHILD, Child, free_number, heard
from lossforge.search.seed_worker import train_seeds

LEDGER = "trainings.jsonl"
Job = tuple[int, int]
Listener = Callable[[str, Any], None]


@dataclasses.dataclass(frozen=True)
class Setup:
    """What several trainings share.

    Args:
        recipe: path of the recipe file.
        settings: arguments of its `recipe()`.
        directory: where the ledger and the logs are.
        contenders: for each, its `--loss` texts (or the text of a loss spec).
        epochs: other than the recipe's.
        precision: of each training.
        score: other than the recipe's.
        test: whether the test split is scored too.
        jobs: trainings at the same time.
        named: so many named losses that fit the recipe become contenders too.
        pictures: whether pictures of each training are kept, for `comparison_pictures`.
        points: so many values of each hyper-parameter of the first contender, one parameter moved
            at a time, become contenders too.
    """

    recipe: str
    settings: Mapping[str, Any]
    directory: str
    contenders: tuple[tuple[str, ...], ...]
    epochs: int | None = None
    precision: str = "float32"
    score: str | None = None
    test: bool = False
    jobs: int = 1
    named: int = 0
    points: int = 0
    pictures: bool = False

    def tiles(self, config: str, seed: int) -> Path:
        """Where the pictures of a training are kept."""
        return Path(self.directory) / FOLDER / f"{self.key(config, seed)}.npz"

    def key(self, config: str, seed: int) -> str:
        """Stands for everything that a training depends on."""
        what = {
            "recipe": find_recipe(self.recipe).read_text(encoding="utf-8"),
            "settings": dict(self.settings),
            "epochs": self.epochs,
            "precision": self.precision,
            "test": self.test,
            "loss": config,
            "seed": seed,
        }
        text = json.dumps(what, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Ledger:
    """Results of trainings, one JSON object a line; a line that was cut off is skipped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.results: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self.results[entry.pop("key")] = entry
                except (ValueError, KeyError, AttributeError):
                    continue

    def add(self, key: str, result: Mapping[str, Any]) -> None:
        self.results[key] = dict(result)
        line = json.dumps({"key": key, **result}, allow_nan=True)
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")  # the first newline ends a line that was cut off
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StudyError(f"Can't write {self._path}: {error.strerror}.") from None


class Trainings:
    """Every contender on every seed.

    After `run`: `described`, what the recipe says (slots, score, direction, labels of the
    contenders), and `results`, {(contender, seed): {"metrics", "reason", "seconds"}}.

    Args:
        setup: what they share.
        seeds: of the trainings.
        tell: called with ("begin", (known, waiting)) and ("training", (job, result)).
        by_seed: all contenders on a seed before the next seed, so that an early stop leaves whole
            pairs; else one contender after the other.
    """

    def __init__(
        self,
        setup: Setup,
        seeds: Iterable[int],
        tell: Listener = lambda *_: None,
        by_seed: bool = True,
    ) -> None:
        self.setup, self.seeds, self.tell, self._by_seed = setup, tuple(seeds), tell, by_seed
        self.described: dict[str, Any] = {}
        self.results: dict[Job, dict[str, Any]] = {}
        self._ledger = Ledger(Path(setup.directory) / LEDGER)
        self._waiting: list[Job] = []
        self._died: set[Job] = set()
        self._broken = 0

    def run(self) -> None:
        """Trains what the ledger does not hold. On any error, the children are stopped.

        Raises:
            LossforgeError: for a recipe or a loss at fault, before anything is trained.
        """
        children = [self._child(0)]
        try:
            while children:
                for child in heard(children):
                    self._hear(child, children)
                if self.described:
                    self._assign(children)
        finally:
            for child in children:
                child.stop()

    def drop(self, contenders: Container[int]) -> None:
        """Trains these no further."""
        self._waiting = [job for job in self._waiting if job[0] not in contenders]

    def _child(self, number: int) -> Child:
        setup = self.setup
        return Child(train_seeds, setup, setup.directory, setup.jobs, number)

    def _hear(self, child: Child, children: list[Child]) -> None:
        message = child.receive()
        if message is None:
            children.remove(child)
            self._broken += not child.ready
            if self._broken > 2:
                raise LossforgeError(f"Workers die before they can train; see {child.log}.")
            if child.job is not None:
                self._lost(child.job, f"the worker died (exit code {child.process.exitcode})")
        elif message[0] == "ready":
            child.ready = True
            if not self.described:
                self._begin(message[1])
        else:
            child.job, child.done = None, child.done + 1
            self._finish(*message[1:])

    def _begin(self, described: dict[str, Any]) -> None:
        self.described = described
        for seed in self.seeds:
            for contender, config in enumerate(described["configs"]):
                known = self._ledger.results.get(self.setup.key(config, seed))
                if known is not None:
                    self.results[contender, seed] = known
                elif config not in described["configs"][:contender]:  # equal losses train once
                    self._waiting.append((contender, seed))
        if not self._by_seed:
            self._waiting.sort()
        self.tell("begin", (len(self.results), len(self._waiting)))

    def _assign(self, children: list[Child]) -> None:
        for child in list(children):
            if child.job is not None or not child.ready:
                continue
            if self._waiting and child.done < JOBS_A_CHILD:
                child.give(self._waiting.pop(0))
            else:
                child.stop()
                children.remove(child)
        starting = sum(not child.ready for child in children)
        for _ in range(min(self.setup.jobs - len(children), len(self._waiting) - starting)):
            children.append(self._child(free_number(children)))

    def _finish(self, job: Job, result: dict[str, Any]) -> None:
        contender, seed = job
        self._ledger.add(self.setup.key(self.described["configs"][contender], seed), result)
        configs = self.described["configs"]
        for index, config in enumerate(configs):
            if config == configs[contender]:
                self.results[index, seed] = result
        self.tell("training", (job, result))

    def _lost(self, job: Job, reason: str) -> None:
        if job in self._died:  # twice is no accident
            self.results[job] = {"metrics": {}, "reason": reason, "seconds": 0.0}
            self.tell("training", (job, self.results[job]))
        else:
            self._died.add(job)
            self._waiting.append(job)
