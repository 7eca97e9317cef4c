"""What a search is asked to do: plain data that crosses process borders."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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
        space: "auto" (the recipe's candidates) or "all" (every loss that fits).
        pruner: "median", "hyperband" or "none".
        score: other than the recipe's.
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
    pruner: str = "median"
    score: str | None = None

    @property
    def study_name(self) -> str:
        return Path(self.directory).name


def fingerprint(recipe: Path, **what: Any) -> str:
    """Six letters that stand for a recipe's text and for everything that makes trials comparable.

    >>> len(fingerprint(Path(__file__), seed=0))
    6
    """
    text = recipe.read_text(encoding="utf-8") + json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]
