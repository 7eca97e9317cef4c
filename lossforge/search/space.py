"""What a search may try: a function from a trial to a loss for each slot.

`DerivedSpace` comes from the slots and the ranges that losses declare; `SpaceFile` is a Python file
with `space(trial)`. Both give `suggest(trial)`, so that `optuna.trial.FixedTrial` tests either.
"""

from __future__ import annotations

import inspect
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lossforge.errors import RecipeError
from lossforge.losses.base import Loss
from lossforge.recipe import Recipe, Slot
from lossforge.search.derived_dynamics import FEW, DerivedDynamics, balances_on_values
from lossforge.search.derived_space import DerivedSpace, Scale, candidates
from lossforge.search.suggestion import Suggestion

MOVES = ("balance", "callbacks")


class Space(Protocol):
    """What a search may try."""

    def suggest(self, trial: Any) -> Suggestion:
        """A loss for each slot, and how they move, drawn by the trial."""
        ...

    def parameters_of(self, losses: Mapping[str, Loss]) -> dict[str, Any]:
        """The parameters with which `suggest` gives these losses; {} if none do."""
        ...

    def described(self) -> dict[str, Any]:
        """The space as plain data: a study refuses to go on with another one."""
        ...


class SpaceFile:
    """A space written by hand: a file with `space(trial)` or `space(trial, slots)`.

    It gives {slot: loss}, each loss as a Loss or as text (`"Focal(gamma=1.5)"`). Slots left out
    keep the recipe's own loss. `slots[name].bind` holds what the recipe knows: class counts. It may
    also give "balance", the text of a Balance, and "callbacks", a list of texts.

    Raises:
        RecipeError: for a file without `space`, an error in it, or losses that fit no slot.
    """

    def __init__(self, path: Path, slots: Mapping[str, Slot]) -> None:
        self.path, self._slots = path, slots
        self._text = path.read_text(encoding="utf-8")
        try:
            self._function = runpy.run_path(str(path))["space"]
        except KeyError:
            raise RecipeError(f"{path} has no function space(trial).") from None
        except Exception as error:
            raise RecipeError(f"{path}: {type(error).__name__}: {error}") from error
        self._takes_slots = len(inspect.signature(self._function).parameters) > 1

    def suggest(self, trial: Any) -> Suggestion:
        from lossforge import spec

        given = self._function(trial, self._slots) if self._takes_slots else self._function(trial)
        if not isinstance(given, Mapping) or not set(given) <= {*self._slots, *MOVES}:
            raise RecipeError(
                f"{self.path}: space(trial) gives a loss for each of the slots "
                f"{', '.join(self._slots)}, as a dict; got {given!r}."[:400]
            )
        losses = {n: v for n, v in given.items() if n in self._slots}
        balance, callbacks = (None if n in self._slots else given.get(n) for n in MOVES)
        if balance is not None:
            spec.parse_balance(balance)
        for callback in callbacks or ():
            spec.parse_callback(callback)
        parsed = {n: spec.parse(v) if isinstance(v, str) else v for n, v in losses.items()}
        return Suggestion(parsed, balance, tuple(callbacks or ()))

    def parameters_of(self, losses: Mapping[str, Loss]) -> dict[str, Any]:
        return {}

    def described(self) -> dict[str, Any]:
        return {"file": self.path.name, "text": self._text}


def read_space(
    name: str,
    recipe: Recipe,
    slots: Mapping[str, Slot],
    further: Mapping[str, Sequence[str]] | None = None,
    scale: Scale | None = None,
    steps: int | None = None,
) -> Space:
    """The space of that name.

    Args:
        name: "auto" (the recipe's candidates), "all" (every loss that fits), "named" (the recipe's
            candidates, one at a time), or a file in `search_spaces/` or anywhere.
        recipe: names its candidates.
        slots: what is searched.
        further: candidates of other sources for each slot, as names or as texts such as
            `Formula("-log(p)")`; with a file they are refused.
        scale: (slot, loss) -> size of its gradient; weights of terms are relative to it.
        steps: of a whole training, for schedules; None, or a recipe with callbacks of its own:
            neither schedules nor a Balance are drawn.
    """
    if name not in ("auto", "all", "named"):
        if further:
            raise RecipeError(f"Further candidates can't be added to the space file {name}.")
        return SpaceFile(find_space(name), slots)
    chosen = {} if name == "all" else {slot: tuple(c) for slot, c in recipe.candidates.items()}
    dynamics = None
    if name != "named" and steps is not None and not recipe.callbacks(steps):
        dynamics = DerivedDynamics(steps, balances_on_values() if name == "all" else FEW)
    names = candidates(slots, chosen, further or {})
    return DerivedSpace(slots, names, scale, combine=name != "named", dynamics=dynamics)


def find_space(name: str) -> Path:
    """The file as given, or the installed one (`detection`, `search_spaces/detection.py`)."""
    path = Path(name)
    if path.is_file():
        return path
    installed = Path(__file__).parent.parent / "search_spaces"
    installed = installed if installed.is_dir() else installed.parent.parent / "search_spaces"
    known = {f.stem: f for f in installed.glob("*.py") if f.name != "__init__.py"}
    if path.stem in known and path.parent.name in ("search_spaces", ""):
        return known[path.stem]
    raise RecipeError(
        f"There is no space '{name}': give auto, all, a file with space(trial), or one of "
        + ", ".join(sorted(known))
        + "."
    )
