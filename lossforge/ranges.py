"""The values of a hyper-parameter that are worth searching, as a loss declares them."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Float:
    """A real number between `low` and `high`; `log=True` searches its magnitude.

    Suggestions have four significant digits: more only make a found loss hard to read.

    >>> Float(0.5, 5.0).low
    0.5
    """

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: Any, name: str) -> float:
        value = trial.suggest_float(name, self.low, self.high, log=self.log)
        return min(max(float(f"{value:.4g}"), self.low), self.high)


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few values.

    >>> Choice((None, 0.25)).options
    (None, 0.25)
    """

    options: tuple

    def suggest(self, trial: Any, name: str) -> Any:
        return trial.suggest_categorical(name, self.options)
