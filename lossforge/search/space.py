"""What a search may try in each slot: derived from Kinds and from the ranges that losses declare.

Parameters of a trial, for a slot `box`:

    box                 class of the first term
    box.with            class of a second term, or "none"
    box.with.weight     its weight against the first
    box.GIoU.<name>     each hyper-parameter that a chosen class declares in `search`
    box.hard            whether only the hardest examples count (HardExamples)
    box.keep            their share
    box.weight          weight of the slot against the first slot, whose weight stays 1
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from lossforge.errors import RecipeError, unknown_name
from lossforge.losses import LOSSES
from lossforge.losses.base import Loss, argument_names
from lossforge.losses.composite import Composite
from lossforge.losses.hard_examples import HardExamples
from lossforge.ranges import Choice, Float
from lossforge.recipe import Slot

WEIGHT = Float(0.1, 10.0, log=True)
NONE = "none"

Candidates = dict[str, tuple[str, ...]]


def candidates(slots: Mapping[str, Slot], named: Mapping[str, Sequence[str]]) -> Candidates:
    """Names of the losses that fit each slot; only those in `named`, for slots that it has.

    Raises:
        RecipeError: for a name that fits no slot, or a slot that nothing fits.
    """
    found = {}
    for name, slot in slots.items():
        fitting = [n for n, cls in sorted(LOSSES.items()) if _fits(cls, slot)]
        for chosen in named.get(name, ()):
            if chosen not in fitting:
                raise RecipeError(unknown_name(f"candidate for slot '{name}'", chosen, fitting))
        found[name] = tuple(named.get(name) or fitting)
        if not found[name]:
            raise RecipeError(f"No loss fits slot '{name}' (kinds {', '.join(slot.kinds)}).")
    return found


def suggest(trial: Any, space: Candidates) -> dict[str, Loss]:
    """A loss for each slot, drawn by the trial."""
    losses = {}
    for index, (slot, names) in enumerate(space.items()):
        weight = 1.0 if index == 0 else WEIGHT.suggest(trial, f"{slot}.weight")
        first = trial.suggest_categorical(slot, names)
        terms = {first: weight}
        if len(names) > 1:
            second = trial.suggest_categorical(f"{slot}.with", (NONE, *names))
            if second not in (NONE, first):
                second_weight = weight * WEIGHT.suggest(trial, f"{slot}.with.weight")
                terms[second] = float(f"{second_weight:.4g}")
        keep = None
        if trial.suggest_categorical(f"{slot}.hard", (False, True)):
            keep = HardExamples.search["keep"].suggest(trial, f"{slot}.keep")
        built = {name: (w, _drawn(trial, slot, name, keep)) for name, w in terms.items()}
        losses[slot] = _together(built)
    return losses


def parameters_of(losses: Mapping[str, Loss], space: Candidates) -> dict[str, Any]:
    """The parameters with which `suggest` gives these single, unweighted losses; {} if none do."""
    parameters: dict[str, Any] = {}
    for index, (slot, names) in enumerate(space.items()):
        loss = losses[slot]
        name = type(loss).__name__
        if name not in names:
            return {}
        parameters |= {slot: name, f"{slot}.with": NONE, f"{slot}.hard": False}
        if index:
            parameters[f"{slot}.weight"] = 1.0
        for argument, values in type(loss).search.items():
            value = getattr(loss, argument)
            if not _holds(values, value):
                return {}
            parameters[f"{slot}.{name}.{argument}"] = value
    return parameters


def described(space: Candidates) -> dict[str, Any]:
    """The space as plain data: a study refuses to go on with another one."""
    return {
        slot: {name: {n: repr(v) for n, v in LOSSES[name].search.items()} for name in names}
        for slot, names in space.items()
    }


def _fits(cls: type[Loss], slot: Slot) -> bool:
    parameters = inspect.signature(cls.__init__).parameters
    free = [n for n in argument_names(cls) if parameters[n].default is inspect.Parameter.empty]
    return not cls.wraps and not free and bool(set(cls.kinds) & set(slot.kinds))


def _drawn(trial: Any, slot: str, name: str, keep: float | None) -> Loss:
    cls = LOSSES[name]
    loss = cls(**{n: v.suggest(trial, f"{slot}.{name}.{n}") for n, v in cls.search.items()})
    return loss if keep is None else HardExamples(loss, keep=keep)


def _together(terms: Mapping[str, tuple[float, Loss]]) -> Loss:
    if len(terms) == 1:
        weight, loss = next(iter(terms.values()))
        if weight == 1.0:
            return loss
    named = {}
    for weight, loss in terms.values():
        inner = loss.loss if isinstance(loss, HardExamples) else loss
        named[inner.name] = (weight, loss)
    return Composite(named)


def _holds(values: Float | Choice, value: Any) -> bool:
    if isinstance(values, Choice):
        return value in values.options
    return isinstance(value, int | float) and values.low <= value <= values.high
