"""Uncertainty weighting as a callback."""

from __future__ import annotations

from typing import Any

from lossforge.balance.uncertainty import Uncertainty
from lossforge.callbacks.balancing import Balancing


class UncertaintyWeighting(Balancing):
    """`Balancing(Uncertainty(...))`: each term weighed by a noise level that is learned.

    >>> UncertaintyWeighting(learning_rate=0.02).balance
    Uncertainty(learning_rate=0.02)

    Args:
        of: path of a nested Composite, as in `Balancing`.
        options: arguments of `lossforge.balance.Uncertainty`.
    """

    def __init__(self, of: str | None = None, **options: Any) -> None:
        super().__init__(Uncertainty(**options), of)
