"""Losses that compare the predictions of a batch with each other: scale, balance and order."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import targets_for
from lossforge.ranges import Float


class NormInNorm(Loss):
    """Distance of predictions and targets after both were centred and scaled over the batch.

        n(x) = (x - mean(x)) / |x - mean(x)|_q    over the N examples of the batch
        loss_i = N |n(y_pred)_i - n(y_true)_i|^p / (2^p N^max(0, 1 - p / q)),  the mean over outputs

    Reads: y_true, y_pred: (batch, D), scores; their scale and offset do not matter.
    Returns: (batch,); the batch's mean is in [0, 1]. For p = q = 2 it is (1 - Pearson's r) / 2.
    Edges: scores that are all alike are centred and not scaled.
    Source: Li, Jiang and Jiang 2020, Norm-in-Norm Loss with Faster Convergence and Better
        Performance for Image Quality Assessment, equations 6 to 9.

    >>> round(float(NormInNorm()([[1.0], [2.0], [3.0]], [[10.0], [30.0], [50.0]])), 5)
    0.0

    Args:
        p: power of the distance, >= 1; the paper's 1.
        q: norm of the scale, >= 1; the paper's 2.
    """

    batch_coupled = True
    kinds = ("regression",)
    source = "Li, Jiang and Jiang 2020, Norm-in-Norm Loss"
    search = {"p": Float(1.0, 2.0)}
    variants = ({}, {"p": 2.0}, {"q": 1.0}, {"p": 1.5, "q": 3.0})

    def __init__(self, p: float = 1.0, q: float = 2.0, **base: Any) -> None:
        super().__init__(**base)
        self.p = check_range("NormInNorm", "p", p, 1.0, 10.0)
        self.q = check_range("NormInNorm", "q", q, 1.0, 10.0)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        counts = ops.cast(align(counts, y_pred), y_pred.dtype) * ops.ones_like(y_pred)
        number = ops.maximum(ops.sum(counts, axis=0), 1.0)
        y_true = self._normal(targets_for(y_true, y_pred), counts, number)
        d = ops.abs(self._normal(y_pred, counts, number) - y_true)
        scale = 2.0**self.p * number ** max(0.0, 1.0 - self.p / self.q)
        return mean_over_last_axis(number / scale * (d if self.p == 1.0 else d**self.p))

    def _normal(self, x: Any, counts: Any, number: Any) -> Any:
        x = counts * (x - ops.sum(counts * x, axis=0) / number)
        size = ops.max(ops.abs(x), axis=0)
        flat = size < 1e-7
        size = ops.stop_gradient(ops.where(flat, ops.ones_like(size), size))
        total = ops.sum(ops.abs(x / size) ** self.q, axis=0)
        norm = ops.where(flat, 1.0, total) ** (1.0 / self.q)
        return x / (size * norm)


class BalancedMSE(Loss):
    """Squared error for unevenly spread targets: the truth must win against the batch's others.

    The squared error is a likelihood under which rare targets are also improbable. Here a
    prediction is compared with all targets of the batch, which stand for how often they occur.

        loss_i = -2 sigma^2 log softmax_j(-|y_pred_i - y_true_j|^2 / (2 sigma^2)) at j = i

    Reads: y_true, y_pred: (batch, D).
    Returns: (batch,), the unit of a squared error.
    Edges: O(B^2) memory, whatever D. Equal targets share the probability, so the perfect
        prediction does not cost 0.
    Source: Ren et al. 2022, Balanced MSE for Imbalanced Visual Regression, equation 11 (BMC).

    >>> round(float(BalancedMSE()([[0.0], [5.0]], [[0.0], [5.0]])), 4)
    0.0

    Args:
        sigma: noise of the predictions, > 0, in the unit of the targets: about the root of the
            squared error that one expects.
    """

    batch_coupled = True
    kinds = ("regression",)
    source = "Ren et al. 2022, Balanced MSE for Imbalanced Visual Regression"
    minimum = None
    search = {"sigma": Float(0.05, 5.0, log=True)}
    variants = ({}, {"sigma": 0.5})
    memory = "O(B^2)"

    def __init__(self, sigma: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.sigma = check_range("BalancedMSE", "sigma", sigma, 1e-4)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        y_true, counts = targets_for(y_true, y_pred), examples(counts)
        # Near 0 the products below lose no digits; the loss does not depend on the origin.
        known = ops.cast(ops.expand_dims(counts, -1), y_pred.dtype)
        centre = ops.sum(known * y_true, axis=0) / ops.maximum(ops.sum(known), 1.0)
        y_true, y_pred = y_true - centre, y_pred - centre
        # |y_pred_i - y_true_j|^2 without |y_pred_i|^2, which the softmax cancels.
        square = ops.sum(ops.square(y_true), axis=-1)
        distance = square - 2.0 * ops.matmul(y_pred, ops.transpose(y_true))
        own = square - 2.0 * ops.sum(y_pred * y_true, axis=-1)
        scale = 2.0 * self.sigma**2
        closer = (ops.expand_dims(own, -1) - distance) / scale
        closer = ops.where(ops.expand_dims(counts, 0), closer, -1e30)
        return scale * ops.logsumexp(closer, axis=-1)


class MarginRank(Loss):
    """Scores in the order of the targets, by a margin for each pair of the batch.

        loss_i = mean_{j != i} max(0, margin - (y_pred_i - y_pred_j) sign(y_true_i - y_true_j)),
        where pairs of equal targets cost 0

    Reads: y_true, y_pred: (batch, 1) or (batch,) and (batch, 1): one score an example.
    Returns: (batch,). Each pair counts in both of its examples.
    Edges: O(B^2) memory; an example alone costs 0.
    Source: Li, Jiang and Jiang 2020, Norm-in-Norm Loss (its monotonicity regulariser, here with a
        margin and without the division by the largest cost); Herbrich et al. 2000, Large Margin
        Rank Boundaries for Ordinal Regression.

    >>> float(MarginRank()([[1.0], [2.0]], [[3.0], [1.0]]))
    2.0

    Args:
        margin: >= 0, in the unit of the predictions.
    """

    batch_coupled = True
    kinds = ("score",)
    source = "Herbrich et al. 2000, Large Margin Rank Boundaries for Ordinal Regression"
    minimum = None
    search = {"margin": Float(0.0, 1.0)}
    variants = ({}, {"margin": 0.3})
    memory = "O(B^2)"

    def __init__(self, margin: float = 0.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("MarginRank", "margin", margin, 0.0)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        if y_pred.shape[-1] != 1:
            raise ValueError(
                f"MarginRank: predictions must be (batch, 1), got {tuple(y_pred.shape)}."
            )
        y_true, counts = targets_for(y_true, y_pred), examples(counts)
        order = ops.sign(y_true - ops.transpose(y_true))
        cost = ops.maximum(self.margin - order * (y_pred - ops.transpose(y_pred)), 0.0)
        pair = ops.logical_and(order != 0, ops.expand_dims(counts, 0))
        others = ops.maximum(ops.sum(ops.cast(counts, y_pred.dtype)) - 1.0, 1.0)
        return ops.sum(ops.where(pair, cost, 0.0 * cost), axis=-1) / others


def examples(counts: Any) -> Any:
    """Which examples count, (batch,), from a mask of any rank."""
    axes = tuple(range(1, len(counts.shape)))
    return ops.any(counts, axis=axes) if axes else counts
