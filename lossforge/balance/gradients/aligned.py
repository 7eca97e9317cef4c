"""Gradients made orthogonal and equally long, as close to themselves as can be."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, normalised


class AlignedMTL(GradientBalance):
    """Aligned-MTL: conflicts and dominance vanish together when the Gramian becomes a unit matrix.

        G = V diag(e) V',    B = sqrt(e_min) V diag(1 / sqrt(e)) V'
        direction = sum_k (B 1)_k g_k,    e_min: the least eigenvalue that is not 0

    The aligned gradients have all the length sqrt(e_min), the shortest principal axis.

    Source: Senushkin et al. 2023, Independent Component Alignment for Multi-Task Learning,
        algorithm 1 (the `min` scale).
    """

    source = "Senushkin et al. 2023, Independent Component Alignment for Multi-Task Learning"

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        gramian, _ = normalised(gramian)
        eigenvalues, vectors = ops.eigh(gramian)
        real = eigenvalues > 1e-6 * ops.max(eigenvalues)
        least = ops.min(ops.where(real, eigenvalues, ops.max(eigenvalues)))
        inverse = ops.where(real, 1.0 / ops.sqrt(ops.where(real, eigenvalues, 1.0)), 0.0)
        align = (vectors * inverse[None, :]) @ ops.transpose(vectors)
        return ops.sqrt(ops.maximum(least, 0.0)) * ops.sum(align, axis=-1), {}
