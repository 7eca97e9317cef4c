"""Fewer and harder examples, step by step."""

from __future__ import annotations

from lossforge.callbacks.anneal import Anneal
from lossforge.schedules import linear


class OHEM(Anneal):
    """Lowers the share of examples that `HardExamples` keeps: from all to the hardest.

    Mining from the first step on would fit a network that knows nothing to its outliers.

    >>> OHEM(start=1.0, end=0.25, steps=100).schedule(50)
    0.625

    Args:
        start: share kept at first, in (0, 1].
        end: share kept after `steps`.
        steps: of the optimizer.
        term: path of the term that is a `HardExamples`; None where it is the model's loss.
    """

    def __init__(
        self, start: float = 1.0, end: float = 0.25, steps: int = 1000, term: str | None = None
    ) -> None:
        super().__init__(f"{term}.keep" if term else "keep", linear(start, end, steps))
