"""Policy gradients with a bounded step: PPO and GRPO."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.safe_operators import exponential
from lossforge.ranges import Float


class ClippedPolicy(Loss):
    """The advantage of an action times how much likelier it became, until that is enough.

        ratio = pi / pi_old
        loss = -min(ratio A, clip(ratio, 1 - epsilon, 1 + epsilon_high) A) + kl_weight K
        K = ref / pi - log(ref / pi) - 1

    PPO with `kl_weight=0`. GRPO with its advantages, which are rewards standardised within the
    answers to one question; K is its estimate of the divergence from the reference.

    Reads: y_pred: (batch, ..., T) log-probabilities of the actions or tokens taken; y_true:
        (batch, ..., T, 3) their log-probability when they were taken, the advantage A, and their
        log-probability under the reference.
    Returns: (batch, ..., T).
    Edges: ratios continue above exp(30) by their tangent.
    Source: Schulman et al. 2017, Proximal Policy Optimization Algorithms, equation 7; Shao et al.
        2024, DeepSeekMath, equations 3 and 4; epsilon_high: Yu et al. 2025, DAPO.

    >>> float(ClippedPolicy()([[[-1.0, 2.0, -1.0]]], [[-1.0]]))
    -2.0

    Args:
        epsilon: how much less likely an action may become, in (0, 1); 0.2.
        epsilon_high: how much likelier, > 0; None: epsilon.
        kl_weight: of K, >= 0; 0 in PPO, 0.04 in GRPO.
    """

    kinds = ("policy",)
    source = "Schulman et al. 2017, Proximal Policy Optimization; Shao et al. 2024, DeepSeekMath"
    minimum = None
    search = {"epsilon": Float(0.1, 0.4), "kl_weight": Float(1e-3, 0.1, log=True)}
    variants = ({}, {"epsilon": 0.1, "epsilon_high": 0.28, "kl_weight": 0.04})

    def __init__(
        self,
        epsilon: float = 0.2,
        epsilon_high: float | None = None,
        kl_weight: float = 0.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.epsilon = check_range("ClippedPolicy", "epsilon", epsilon, 1e-6, 1.0)
        if epsilon_high is not None:
            epsilon_high = check_range("ClippedPolicy", "epsilon_high", epsilon_high, 1e-6)
        self.epsilon_high = epsilon_high
        self.kl_weight = check_range("ClippedPolicy", "kl_weight", kl_weight, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = ops.cast(y_true, y_pred.dtype)
        old, advantage, reference = y_true[..., 0], y_true[..., 1], y_true[..., 2]
        ratio = exponential(y_pred - old)
        high = self.epsilon if self.epsilon_high is None else self.epsilon_high
        bounded = ops.minimum(ops.maximum(ratio, 1.0 - self.epsilon), 1.0 + high)
        loss = -ops.minimum(ratio * advantage, bounded * advantage)
        if self.kl_weight == 0.0:
            return loss
        gap = reference - y_pred
        return loss + self.kl_weight * (exponential(gap) - gap - 1.0)
