"""What a trial trains: a loss for each slot, and how the terms move and share the gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lossforge import spec
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """One point of a search space.

    >>> found = Suggestion({"box": spec.parse("GIoU()")}, callbacks=("OHEM(steps=10, term='box')",))
    >>> found.texts()
    {'box': 'GIoU()', 'callbacks': "OHEM(steps=10, term='box')"}
    >>> Suggestion.read(found.as_yaml()).callbacks == found.callbacks
    True

    Args:
        losses: a loss for each slot; slots left out keep the recipe's own.
        balance: text of a Balance over the terms, or None.
        callbacks: texts of callbacks: warm-up, annealing, share of hard examples.
    """

    losses: Mapping[str, Loss]
    balance: str | None = None
    callbacks: tuple[str, ...] = ()

    @classmethod
    def read(cls, config: str) -> Suggestion:
        """Of the YAML of a loss spec."""
        balance, callbacks = spec.load_dynamics(config)
        return cls(spec.load(config), balance, tuple(callbacks))

    def as_yaml(self) -> str:
        """The loss spec that `lossforge train --loss` reads."""
        return spec.dump(dict(self.losses), balance=self.balance, callbacks=self.callbacks)

    def texts(self) -> dict[str, str]:
        """For people: a text for each slot, and for Balance and callbacks where there are any."""
        found = {slot: spec.text(loss) for slot, loss in self.losses.items()}
        if self.balance:
            found["balance"] = self.balance
        if self.callbacks:
            found["callbacks"] = ", ".join(self.callbacks)
        return found

    def with_defaults(self, losses: Mapping[str, Loss]) -> Suggestion:
        """The same, with losses for the slots that were left out."""
        return dataclasses.replace(self, losses={**losses, **self.losses})

    def made_callbacks(self) -> list[Any]:
        """New objects of the callbacks, for one training."""
        return [spec.parse_callback(text) for text in self.callbacks]


def terms_of(slot: str, loss: Loss) -> dict[str, Loss]:
    """{path in the logs: loss} of the terms of a slot's loss."""
    if isinstance(loss, Composite):
        return {f"{slot}/{name}": term for name, term in loss.losses.items()}
    return {slot: loss}
