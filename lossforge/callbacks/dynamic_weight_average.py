"""Dynamic weight average as a callback."""

from __future__ import annotations

from lossforge.balance.dynamic_average import DynamicAverage
from lossforge.callbacks.balancing import Balancing


class DynamicWeightAverage(Balancing):
    """`Balancing(DynamicAverage(...))`: a term that falls slowly counts more, epoch by epoch.

    >>> DynamicWeightAverage(temperature=1.0).balance
    DynamicAverage(temperature=1.0)

    Args:
        temperature: of `lossforge.balance.DynamicAverage`.
        of: path of a nested Composite, as in `Balancing`.
    """

    def __init__(self, temperature: float = 2.0, of: str | None = None) -> None:
        super().__init__(DynamicAverage(temperature), of)
