"""A temperature that moves during training."""

from __future__ import annotations

from lossforge.callbacks.anneal import Anneal
from lossforge.schedules import cosine


class TemperatureAnnealing(Anneal):
    """Moves the temperature of a loss from `start` to `end` along half a cosine.

    >>> TemperatureAnnealing(start=1.0, end=0.1, steps=100).schedule(100)
    0.1

    Args:
        start: temperature at first.
        end: temperature after `steps`, and from then on.
        steps: of the optimizer.
        term: path of the term; None where the model has one loss.
    """

    def __init__(self, start: float, end: float, steps: int, term: str | None = None) -> None:
        target = f"{term}.temperature" if term else "temperature"
        super().__init__(target, cosine(start, end, steps))
