"""Losses whose predictions may be exactly zero: sparsemax, entmax, and softmax between them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class Entmax(Loss):
    """Cross-entropy of alpha-entmax: unlikely classes get probability 0 and no gradient.

        H(p) = (1 - sum_c p_c^alpha) / (alpha (alpha - 1))
        p = argmax over distributions of <p, x> + H(p)
        loss = <p - y, x> + H(p) - H(y),   gradient p - y

    alpha = 1 is softmax cross-entropy, 1.5 entmax, 2 sparsemax.

    Reads: y_true: class ids (batch, ...), one-hot or soft labels (batch, ..., C); y_pred:
        (batch, ..., C) scores; at inference p comes from `entmax_probabilities(scores, alpha)`.
    Returns: (batch, ...); exactly 0 once the target leads by 1 / (alpha - 1).
    Edges: p is found by bisection in the working precision. The gradient is p - y by the envelope
        theorem; second derivatives are not available.
    Source: Peters et al. 2019, Sparse Sequence-to-Sequence Models; Martins & Astudillo 2016, From
        Softmax to Sparsemax; Blondel et al. 2020, Learning with Fenchel-Young Losses.

    >>> float(Entmax(alpha=2.0)([0], [[1.0, 0.0]]))
    0.0

    Args:
        alpha: in [1, 10]; larger is sparser.
    """

    kinds = ("multiclass",)
    source = "Peters et al. 2019, Sparse Sequence-to-Sequence Models"
    search = {"alpha": Float(1.0, 2.0)}
    variants = ({}, {"alpha": 1.0}, {"alpha": 2.0}, {"alpha": 1.2}, {"alpha": 3.0})
    from_logits = True

    def __init__(self, alpha: float = 1.5, **base: Any) -> None:
        super().__init__(**base)
        self.alpha = check_range("Entmax", "alpha", alpha, 1.0, 10.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.one_hot_targets(y_true, y_pred)
        x = y_pred - ops.stop_gradient(ops.max(y_pred, axis=-1, keepdims=True))
        if self.alpha == 1.0:
            log_p = ops.log_softmax(x, axis=-1)
            log_y = ops.log(ops.where(targets > 0, targets, 1.0))
            return ops.sum(targets * (log_y - log_p), axis=-1)
        p = ops.stop_gradient(entmax_probabilities(x, self.alpha))
        spread = self._entropy(p) - self._entropy(targets)
        return ops.sum((p - targets) * x, axis=-1) + spread

    def _entropy(self, p: Any) -> Any:
        positive = p > 0
        powers = ops.where(positive, ops.where(positive, p, 1.0) ** self.alpha, 0.0)
        # p - p^alpha, not 1 - sum: exactly 0 for a certain distribution
        return ops.sum(p - powers, axis=-1) / (self.alpha * (self.alpha - 1.0))


def entmax_probabilities(x: Any, alpha: float) -> Any:
    """alpha-entmax over the last axis, alpha > 1; the sparse counterpart of softmax.

    >>> [float(p) for p in entmax_probabilities(ops.convert_to_tensor([2.0, 1.0, 0.0]), 2.0)]
    [1.0, 0.0, 0.0]
    """
    z = (alpha - 1.0) * (x - ops.max(x, axis=-1, keepdims=True))
    low = -ops.ones_like(z[..., :1])  # the sum at this threshold is at least 1
    high = low * x.shape[-1] ** (1.0 - alpha)  # here at most 1

    halvings = 60 if keras.backend.standardize_dtype(z.dtype) == "float64" else 30
    bounds = tuple(ops.stop_gradient(v) for v in (z, low, high))
    _, low, _ = ops.fori_loop(0, halvings, halving(alpha), bounds)
    p = powers(z - low, alpha)
    return p / ops.sum(p, axis=-1, keepdims=True)


@functools.cache
def halving(alpha: float) -> Callable[[Any, Any], Any]:
    """A step of bisection; one function an alpha, so that JAX compiles it once."""

    def halve(_, bounds):
        z, low, high = bounds
        middle = 0.5 * (low + high)
        enough = ops.sum(powers(z - middle, alpha), axis=-1, keepdims=True) >= 1.0
        return z, ops.where(enough, middle, low), ops.where(enough, high, middle)

    return halve


def powers(x: Any, alpha: float) -> Any:
    """max(x, 0)^(1 / (alpha - 1))"""
    positive = x > 0
    return ops.where(positive, ops.where(positive, x, 1.0) ** (1.0 / (alpha - 1.0)), 0.0)
