"""A space derived from Kinds and from the ranges that losses declare.

Parameters of a trial, for a slot `box`:

    box                 the first term
    box.terms           how many terms: 1, 2 or 3
    box.second          a further term ...
    box.second.weight   ... and its weight against the first (of gradients, where they are measured)
    box.third           likewise
    box.GIoU.<name>     each hyper-parameter that a chosen class declares in `search`
    box.hard            whether only the hardest examples count (HardExamples)
    box.keep            their share
    box.weight          weight of the slot against the first slot, whose weight stays 1

and those of `derived_dynamics`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lossforge.errors import RecipeError, unknown_name
from lossforge.losses import LOSSES
from lossforge.losses.base import Loss, argument_names
from lossforge.losses.composite import Composite
from lossforge.losses.hard_examples import HardExamples
from lossforge.ranges import Choice, Float
from lossforge.recipe import Slot
from lossforge.search.derived_dynamics import DerivedDynamics
from lossforge.search.suggestion import Suggestion

WEIGHT = Float(0.1, 10.0, log=True)
FURTHER = ("second", "third")

Candidates = Mapping[str, Sequence[str]]
Scale = Callable[[str, Loss], float]
Terms = list[tuple[float, Loss]]


def candidates(
    slots: Mapping[str, Slot], named: Candidates, further: Candidates | None = None
) -> dict[str, tuple[str, ...]]:
    """What fits each slot: every loss of its Kinds, or those in `named`, and those in `further`.

    A candidate is the name of a loss, whose declared hyper-parameters are searched, or a text with
    brackets (`Focal(gamma=2.0)`), which is tried as it is. Losses that need a package which is not
    installed are left out.

    Raises:
        RecipeError: for a candidate that fits no slot, a slot that nothing fits, or one of
            `further` that needs a package which is not installed.
    """
    for owner in {**named, **(further or {})}:
        if owner not in slots:
            raise RecipeError(unknown_name("slot with candidates", owner, slots))
    found = {}
    for name, slot in slots.items():
        fitting = [n for n, cls in sorted(LOSSES.items()) if _fits(cls, slot)]
        for chosen in (*named.get(name, ()), *(further or {}).get(name, ())):
            if "(" in chosen:
                slot.fit(_parsed(chosen))
            elif chosen not in fitting:
                raise RecipeError(unknown_name(f"candidate for slot '{name}'", chosen, fitting))
        own = [n for n in named.get(name) or fitting if _missing(named_loss(n, slot)) is None]
        for chosen in (further or {}).get(name, ()):
            package = _missing(named_loss(chosen, slot))
            if package is not None:
                raise RecipeError(f"Candidate {chosen} needs {package}: pip install {package}")
        found[name] = tuple(dict.fromkeys((*own, *(further or {}).get(name, ()))))
        if not found[name]:
            raise RecipeError(f"No loss fits slot '{name}' (kinds {', '.join(slot.kinds)}).")
    return found


class DerivedSpace:
    """Up to three terms a slot, their hyper-parameters and weights, and hard examples.

    Args:
        slots: what is searched.
        candidates: for each slot, names and texts of losses.
        scale: (slot, loss) -> size of its gradient. A term's weight is divided by it, against the
            first term's, so that a drawn weight of 1 means equal pull.
        combine: whether terms are combined, kept in part, and weighted; else one plain loss a slot.
        dynamics: draws Balance and schedules for them; None: nothing moves.
    """

    def __init__(
        self,
        slots: Mapping[str, Slot],
        candidates: Candidates,
        scale: Scale | None = None,
        combine: bool = True,
        dynamics: DerivedDynamics | None = None,
    ) -> None:
        self._slots, self._candidates = slots, candidates
        self._scale, self._combine, self._dynamics = scale, combine, dynamics

    def suggest(self, trial: Any) -> Suggestion:
        losses = self._losses(trial)
        return self._dynamics.suggest(trial, losses) if self._dynamics else Suggestion(losses)

    def _losses(self, trial: Any) -> dict[str, Loss]:
        losses = {}
        for index, (slot, names) in enumerate(self._candidates.items()):
            if not self._combine:
                name = trial.suggest_categorical(slot, names)
                losses[slot] = _sum(self._drawn(trial, slot, name, 1.0, None))
                continue
            weight = 1.0 if index == 0 else WEIGHT.suggest(trial, f"{slot}.weight")
            losses[slot] = _sum(self._terms(trial, slot, names, weight))
        return losses

    def _terms(self, trial: Any, slot: str, names: Sequence[str], weight: float) -> Terms:
        chosen = {trial.suggest_categorical(slot, names): 1.0}
        if len(names) > 1:
            count = trial.suggest_categorical(f"{slot}.terms", (1, 2, 3)[: len(names)])
            for place in FURTHER[: count - 1]:
                name = trial.suggest_categorical(f"{slot}.{place}", names)
                share = WEIGHT.suggest(trial, f"{slot}.{place}.weight")
                chosen.setdefault(name, share)
        keep = None
        if trial.suggest_categorical(f"{slot}.hard", (False, True)):
            keep = HardExamples.search["keep"].suggest(trial, f"{slot}.keep")
        drawn = [self._drawn(trial, slot, name, share, keep) for name, share in chosen.items()]
        terms = [term for group in drawn for term in group]
        sizes = [self._scale(slot, loss) if self._scale else 1.0 for _, loss in terms]
        return [
            (weight * (share if index == 0 else share * _ratio(sizes[0], sizes[index])), loss)
            for index, (share, loss) in enumerate(terms)
        ]

    def _drawn(self, trial: Any, slot: str, name: str, share: float, keep: float | None) -> Terms:
        ranges = {} if "(" in name else LOSSES[name].search
        drawn = {n: v.suggest(trial, f"{slot}.{name}.{n}") for n, v in ranges.items()}
        loss = named_loss(name, self._slots[slot], **drawn)
        terms = [(1.0, loss)]
        if isinstance(loss, Composite):
            terms = [(loss.weights[n], term) for n, term in loss.losses.items()]
        return [
            (share * w, term if keep is None else HardExamples(term, keep=keep))
            for w, term in terms
        ]

    def parameters_of(self, losses: Mapping[str, Loss]) -> dict[str, Any]:
        """For single losses of weight 1; {} for others, and for values out of the ranges."""
        parameters: dict[str, Any] = {}
        for index, (slot, names) in enumerate(self._candidates.items()):
            loss = losses[slot]
            same = (n for n in names if "(" in n and _text(_parsed(n)) == _text(loss))
            name = next(same, type(loss).__name__)
            if name not in names:
                return {}
            parameters[slot] = name
            if self._combine:
                parameters[f"{slot}.hard"] = False
                parameters |= {f"{slot}.terms": 1} if len(names) > 1 else {}
                parameters |= {f"{slot}.weight": 1.0} if index else {}
            for argument, values in {} if "(" in name else type(loss).search.items():
                value = getattr(loss, argument)
                if not _holds(values, value):
                    return {}
                parameters[f"{slot}.{name}.{argument}"] = value
        return parameters | (self._dynamics.still(losses) if self._dynamics else {})

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            slot: {
                name: {} if "(" in name else {n: repr(v) for n, v in LOSSES[name].search.items()}
                for name in names
            }
            for slot, names in self._candidates.items()
        }
        found["combined"] = self._combine
        return found | (self._dynamics.described() if self._dynamics else {})


def named_loss(name: str, slot: Slot, **arguments: Any) -> Loss:
    """The loss of that name or text, with what the slot knows and it needs (class counts)."""
    if "(" in name:
        return _parsed(name)
    bound = {n: slot.bind[n] for n in _required(LOSSES[name]) if n in slot.bind}
    return LOSSES[name](**bound | arguments)


def _required(cls: type[Loss]) -> list[str]:
    parameters = inspect.signature(cls.__init__).parameters
    return [n for n in argument_names(cls) if parameters[n].default is inspect.Parameter.empty]


def _fits(cls: type[Loss], slot: Slot) -> bool:
    known = set(_required(cls)) <= set(slot.bind)
    return not cls.wraps and known and bool(set(cls.kinds) & set(slot.kinds))


def _missing(loss: Loss) -> str | None:
    """The package without which it cannot compute."""
    terms = loss.losses.values() if isinstance(loss, Composite) else [loss]
    return next((package for term in terms if (package := term.missing())), None)


def _parsed(text: str) -> Loss:
    from lossforge import spec

    return spec.parse(text)


def _text(loss: Loss) -> str:
    from lossforge import spec

    return spec.text(loss)


def _ratio(first: float, other: float) -> float:
    return first / other if first > 0 and other > 0 else 1.0


def _sum(terms: Terms) -> Loss:
    if len(terms) == 1 and terms[0][0] == 1.0:
        return terms[0][1]
    named: dict[str, tuple[float, Loss]] = {}
    for weight, loss in terms:
        inner = loss.loss if isinstance(loss, HardExamples) else loss
        name, number = inner.name, 2
        while name in named:
            name, number = f"{inner.name}_{number}", number + 1
        named[name] = (float(f"{weight:.4g}"), loss)
    return Composite(named)


def _holds(values: Float | Choice, value: Any) -> bool:
    if isinstance(values, Choice):
        return value in values.options
    return isinstance(value, int | float) and values.low <= value <= values.high
