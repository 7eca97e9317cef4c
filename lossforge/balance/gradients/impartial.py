"""The direction that makes equal angles with all gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossforge.balance.base import State
from lossforge.balance.gradients.base import GradientBalance, lengths


class ImpartialGradients(GradientBalance):
    """IMTL-G: every gradient has the same projection on the direction.

        direction = K sum_k w_k g_k,  sum w = 1,    direction . g_k / |g_k| equal for all k

    Weights may be below 0. Where gradients depend on each other the system is singular, and the
    solution nearest to 0 is taken.

    Source: Liu et al. 2021, Towards Impartial Multi-Task Learning, equation 5.
    """

    source = "Liu et al. 2021, Towards Impartial Multi-Task Learning (gradients)"

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        count, length = values.shape[0], lengths(gramian)
        cosines = gramian / (length[:, None] * length[None, :])
        shorter = ops.min(length) / length  # w_k = c_k shorter_k: weights of unit gradients, c
        equations = ops.concatenate([cosines[:1] - cosines[1:], shorter[None]], axis=0)
        right = np.zeros((count, 1), "float32")
        right[-1] = 1.0
        normal = ops.transpose(equations) @ equations + 1e-7 * ops.eye(count)
        weights = shorter * ops.solve(normal, ops.transpose(equations) @ right)[:, 0]
        return count * weights, {}
