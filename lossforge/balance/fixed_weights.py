"""Weights that a user has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import Balance, State


class FixedWeights(Balance):
    """The plain weighted sum: the baseline of every other Balance.

        total = sum_k w_k L_k

    Source: Tikhonov 1963.

    Args:
        weights: one a term, in their order, each >= 0; None for 1 each.

    Raises:
        ValueError: for a negative weight, or another number of weights than terms.
    """

    source = "Tikhonov 1963, Solution of Incorrectly Formulated Problems"

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        self.weights = (
            None if weights is None else [self._check("weights", w, 0.0) for w in weights]
        )

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        if self.weights is not None and len(self.weights) != len(names):
            raise ValueError(
                f"FixedWeights: {len(self.weights)} weights for the {len(names)} terms "
                f"{', '.join(names)}."
            )
        return {}

    def total(self, values: Any, state: State) -> Any:
        return ops.sum(values if self.weights is None else ops.array(self.weights) * values)
