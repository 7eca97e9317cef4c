"""The geometric mean: every term counts by its relative change."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import Balance, State


class GeometricMean(Balance):
    """The K-th root of the product, so that halving any term halves as much as any other.

        total = exp(mean_k log L_k);    effective weight of k: total / (K L_k)

    In logarithms: a product of many terms would leave the range of float32. A term at 0 is left out
    (it has no logarithm); below 0 the total is not a number.

    Source: Chennupati et al. 2019, MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss
        Strategy for Multi-Task Learning, equation 3.
    """

    source = "Chennupati et al. 2019, MultiNet++: Geometric Loss Strategy"

    def total(self, values: Any, state: State) -> Any:
        counts = ops.not_equal(values, 0.0)
        logs = ops.where(counts, ops.log(ops.where(counts, values, 1.0)), 0.0)
        number = ops.maximum(ops.sum(ops.cast(counts, values.dtype)), 1.0)
        return ops.exp(ops.sum(logs) / number)
