"""What a search is asked to do: plain data that crosses process borders."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossforge.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Plan:
    """The arguments of one search.

    Args:
        recipe: path of the recipe file.
        settings: arguments of its `recipe()`.
        directory: where the study, its logs and its report are.
        storage: a storage URL or a journal file; None: a journal in `directory`.
        trials: how many trials the study should have in the end, those of earlier calls included.
        minutes: no new trial starts after so many.
        jobs: trials at the same time.
        seed: of the sampler and of each training.
        epochs: other than the recipe's.
        precision: of each training.
        space: "auto", "all", "named" or a file (see `space.read_space`).
        further: candidates of other sources, for each slot, as names or texts.
        sampler: "tpe" or "random".
        pruner: "halving", "median", "hyperband" or "none".
        score: other than the recipe's; several, divided by commas, are searched as a Pareto front.
        guards: conditions that a trial must hold, such as "val_recall>=0.6".
        finals: on so many further seeds the best trials are trained again in the end; 0: none.
    """

    recipe: str
    settings: Mapping[str, Any]
    directory: str
    storage: str | None = None
    trials: int = 12
    minutes: float | None = None
    jobs: int = 1
    seed: int = 0
    epochs: int | None = None
    precision: str = "float32"
    space: str = "auto"
    further: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    sampler: str = "tpe"
    pruner: str = "halving"
    score: str | None = None
    guards: tuple[str, ...] = ()
    finals: int = 0

    @property
    def study_name(self) -> str:
        return Path(self.directory).name

    def as_text(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Plan:
        """
        >>> plan = Plan("r.py", {"a": 1}, "studies/r", guards=("val_recall>=0.6",))
        >>> Plan.from_text(plan.as_text()) == plan
        True
        """
        arguments = json.loads(text)
        return cls(**arguments | {"guards": tuple(arguments["guards"])})


@dataclasses.dataclass(frozen=True)
class Objective:
    """A metric and the direction in which it is better."""

    metric: str
    maximize: bool


def objectives(scores: str, own: str, direction: str) -> list[Objective]:
    """The objectives of "a,b:min".

    The recipe's own score has the recipe's direction. Others say theirs (`:min`, `:max`), or are
    minimized if they are distances or errors by name, else maximized.

    >>> objectives("val_psnr,val_lpips", "val_psnr", "maximize")[1].maximize
    False
    >>> objectives("val_AP50,val_seconds:min", "val_AP50", "maximize")[1]
    Objective(metric='val_seconds', maximize=False)
    """
    found = []
    for text in scores.split(","):
        metric, _, way = text.strip().partition(":")
        if way not in ("", "min", "max") or not metric:
            raise UsageError(f"--score takes metrics such as val_AP50 or val_error:min, got {text}")
        if way:
            maximize = way == "max"
        elif metric == own:
            maximize = direction == "maximize"
        else:
            maximize = not _less_is_better(metric)
        found.append(Objective(metric, maximize))
    return found


def _less_is_better(metric: str) -> bool:
    name = metric.removeprefix("val_")
    return name in ("lpips", "gmsd", "fid", "kid", "eer") or name.endswith(("error", "seconds"))


@dataclasses.dataclass(frozen=True)
class Guard:
    """A condition on a metric that a trial must hold to count."""

    metric: str
    at_least: bool
    limit: float

    def violation(self, value: float) -> float:
        """Above 0 where the guard does not hold."""
        return self.limit - value if self.at_least else value - self.limit


def read_guard(text: str) -> Guard:
    """
    >>> read_guard("val_recall>=0.6")
    Guard(metric='val_recall', at_least=True, limit=0.6)
    """
    for sign in (">=", "<="):
        metric, found, limit = text.partition(sign)
        if found:
            try:
                return Guard(metric.strip(), sign == ">=", float(limit))
            except ValueError:
                break
    raise UsageError(f"--guard takes metric>=number or metric<=number, got '{text}'.")


def fingerprint(recipe: Path, **what: Any) -> str:
    """Six letters that stand for a recipe's text and for everything that makes trials comparable.

    >>> len(fingerprint(Path(__file__), seed=0))
    6
    """
    text = recipe.read_text(encoding="utf-8") + json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]
