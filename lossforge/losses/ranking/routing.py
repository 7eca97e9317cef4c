"""Mixtures of experts: routers that use all experts, with logits that stay small."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align
from lossforge.losses.embedding.pairs import where_nan
from lossforge.ranges import Choice


class LoadBalance(Loss):
    """Makes a router spread tokens evenly over experts.

        loss = E sum_e f_e P_e / top_k

    f_e: the share of tokens that have expert e among their `top_k`, without gradient; P_e: the
    mean probability of e. The paper's top_k is 1.

    Reads: y_pred: (tokens, E) router logits; y_true: (tokens,) not used.
    Returns: (tokens,), the same number for each; 1 when balanced, up to E / top_k.
    Edges: tokens of weight 0 are in neither f nor P.
    Source: Fedus et al. 2021, Switch Transformers, equations 4 to 6.

    >>> float(LoadBalance()([0, 0], [[9.0, -9.0], [-9.0, 9.0]]))
    1.0

    Args:
        top_k: experts a token, >= 1.
    """

    detached = True
    batch_coupled = True
    kinds = ("router",)
    source = "Fedus et al. 2021, Switch Transformers"
    minimum = 1.0
    search = {"top_k": Choice((1, 2))}
    variants = ({}, {"top_k": 2})

    def __init__(self, top_k: int = 1, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1:
            raise ValueError(f"LoadBalance: top_k must be a whole number >= 1, got {top_k!r}.")
        self.top_k = top_k

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        experts = y_pred.shape[-1]
        if self.top_k > experts:
            raise ValueError(
                f"LoadBalance: top_k is {self.top_k}, but there are {experts} experts."
            )
        rows = y_pred[..., 0]
        weight = ops.cast(ops.broadcast_to(align(counts, rows), ops.shape(rows)), y_pred.dtype)
        total = ops.maximum(ops.sum(weight), 1.0)
        chosen = ops.top_k(ops.stop_gradient(y_pred), self.top_k)[1]
        chosen = ops.sum(ops.one_hot(chosen, experts, dtype=y_pred.dtype), axis=-2)
        tokens = tuple(range(len(rows.shape)))
        share = ops.sum(weight[..., None] * chosen, axis=tokens) / total
        mean = ops.sum(weight[..., None] * ops.softmax(y_pred, axis=-1), axis=tokens) / total
        value = experts / self.top_k * ops.sum(share * mean)
        return where_nan(y_pred, ops.broadcast_to(value, ops.shape(rows)))


class RouterZ(Loss):
    """Keeps the logits of a router, or of a language model, near zero, where they are exact.

        loss = (log sum_e exp(x_e))^2

    Reads: y_pred: (batch, ..., E) logits; y_true: (batch,) not used.
    Returns: (batch, ...).
    Source: Zoph et al. 2022, ST-MoE: Designing Stable and Transferable Sparse Expert Models,
        equation 5; for the output layer, Chowdhery et al. 2022, PaLM, with a weight of 1e-4.

    >>> round(float(RouterZ()([0], [[0.0, 0.0]])), 4)
    0.4805
    """

    kinds = ("router",)
    source = "Zoph et al. 2022, ST-MoE"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.square(ops.logsumexp(y_pred, axis=-1))
