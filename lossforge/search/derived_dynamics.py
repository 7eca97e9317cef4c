"""How the terms of a drawn loss move during training and share the gradient.

Parameters of a trial, for a slot `box`:

    balance              whether a Balance shares the gradient, where there are several terms
    balance.rule         which one
    balance.<rule>.<n>   each hyper-parameter that it declares
    box.late             whether the slot's further terms enter slowly (not under a Balance)
    box.late.share       ... up to this share of the training (LossWarmup)
    box.keep.falls       whether the share of hard examples falls from all to `keep` (OHEM)
    box.<loss>.cools     whether the temperature of a loss falls to its value ...
    box.<loss>.from      ... from so many times that value (TemperatureAnnealing)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lossforge.balance import BALANCES
from lossforge.losses.base import Loss
from lossforge.losses.hard_examples import HardExamples
from lossforge.ranges import Float
from lossforge.search.suggestion import Suggestion, terms_of

FEW = ("Uncertainty", "DynamicAverage", "ReLoBRaLo", "FAMO")
LATE = Float(0.05, 0.5)
WARMER = Float(1.5, 8.0, log=True)


def balances_on_values() -> tuple[str, ...]:
    """Every Balance that any task can train with."""
    return tuple(sorted(name for name, cls in BALANCES.items() if not cls.needs_gradients))


class DerivedDynamics:
    """Balance and schedules for losses that were drawn.

    Args:
        steps: of the whole training, which schedules are shares of.
        balances: names of those that may be drawn.
    """

    def __init__(self, steps: int, balances: Sequence[str] = FEW) -> None:
        self._steps, self._balances = steps, tuple(balances)

    def suggest(self, trial: Any, losses: Mapping[str, Loss]) -> Suggestion:
        balance = None
        if self._several(losses) and trial.suggest_categorical("balance", (False, True)):
            balance = self._balance(trial)
        callbacks: list[str] = []
        for slot, loss in losses.items():
            terms = terms_of(slot, loss)
            if balance is None and len(terms) > 1:
                callbacks += self._late(trial, slot, list(terms)[1:])
            callbacks += self._hard(trial, slot, terms)
            callbacks += self._cooling(trial, slot, terms)
        return Suggestion(losses, balance, tuple(callbacks))

    def still(self, losses: Mapping[str, Loss]) -> dict[str, Any]:
        """The parameters that leave single losses as they are."""
        parameters: dict[str, Any] = {"balance": False} if self._several(losses) else {}
        for slot, loss in losses.items():
            if "temperature" in type(loss).search:
                parameters[f"{slot}.{type(loss).__name__}.cools"] = False
        return parameters

    def described(self) -> dict[str, Any]:
        rules = {n: {k: repr(v) for k, v in BALANCES[n].search.items()} for n in self._balances}
        return {"balances": rules, "late": repr(LATE), "warmer": repr(WARMER)}

    def _several(self, losses: Mapping[str, Loss]) -> bool:
        terms = sum(len(terms_of(slot, loss)) for slot, loss in losses.items())
        return bool(self._balances) and terms > 1

    def _balance(self, trial: Any) -> str:
        rule = trial.suggest_categorical("balance.rule", self._balances)
        ranges = BALANCES[rule].search
        drawn = {n: v.suggest(trial, f"balance.{rule}.{n}") for n, v in ranges.items()}
        return repr(BALANCES[rule](**drawn))

    def _late(self, trial: Any, slot: str, further: Sequence[str]) -> Iterator[str]:
        if trial.suggest_categorical(f"{slot}.late", (False, True)):
            ramp = max(1, round(LATE.suggest(trial, f"{slot}.late.share") * self._steps))
            for path in further:
                yield f"LossWarmup({path!r}, ramp={ramp})"

    def _hard(self, trial: Any, slot: str, terms: Mapping[str, Loss]) -> Iterator[str]:
        hard = {n: term.keep for n, term in terms.items() if isinstance(term, HardExamples)}
        if hard and trial.suggest_categorical(f"{slot}.keep.falls", (False, True)):
            steps = max(1, self._steps // 2)
            for path, keep in hard.items():
                yield f"OHEM(end={keep}, steps={steps}, term={path!r})"

    def _cooling(self, trial: Any, slot: str, terms: Mapping[str, Loss]) -> Iterator[str]:
        for path, term in terms.items():
            loss = term.loss if isinstance(term, HardExamples) else term
            name = f"{slot}.{type(loss).__name__}"
            if "temperature" not in type(loss).search:
                continue
            if trial.suggest_categorical(f"{name}.cools", (False, True)):
                end = loss.arguments()["temperature"]
                start = float(f"{end * WARMER.suggest(trial, f'{name}.from'):.4g}")
                yield f"TemperatureAnnealing({start}, {end}, {self._steps}, term={path!r})"
