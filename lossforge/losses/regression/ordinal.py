"""Ranks: classes with an order, told by K - 1 questions 'is it above k?'."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification.log_probabilities import (
    class_ids,
    is_class_ids,
    log_complement,
    log_softmax,
)
from lossforge.ranges import Float

SMALLEST_GAP = 1e-3


class CORAL(Loss):
    """Ordinal regression by K - 1 independent questions 'is the rank above k?'.

        loss = -sum_k importance_k (log sigma(y_pred[k]) where y_true > k, else
                                    log(1 - sigma(y_pred[k])))

    Reads: y_true: (batch, ...) ranks 0 to K - 1, or (batch, ..., K - 1) levels, that is 1 for
        each k below the rank and then 0; y_pred: (batch, ..., K - 1) logits.
    Returns: (batch, ...).
    Edges: the paper's head shares one weight vector among the questions, so that their answers
        cannot contradict; over an ordinary linear layer this is the loss of OR-CNN.
    Source: Cao, Mirjalili and Raschka 2020, Rank consistent ordinal regression for neural networks
        with application to age estimation, equation 4; Niu et al. 2016, Ordinal Regression with
        Multiple Output CNN for Age Estimation.

    >>> round(float(CORAL()([1], [[0.0, 0.0]])), 4)
    1.3863

    Args:
        importance: a factor >= 0 for each of the K - 1 questions.
    """

    kinds = ("ordinal",)
    source = "Cao, Mirjalili and Raschka 2020, Rank consistent ordinal regression"
    variants = ({}, {"importance": [1.0, 2.0, 0.5, 1.0]})

    def __init__(self, importance: Sequence[float] | None = None, **base: Any) -> None:
        super().__init__(**base)
        self.importance = check_importance("CORAL", importance)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        above = ops.expand_dims(ranks(y_true, y_pred), -1) > questions(y_pred)
        return ops.sum(answer_cost(above, y_pred) * weights("CORAL", self, y_pred), axis=-1)


class CORN(Loss):
    """Ordinal regression by a chain of questions, each asked where the one before was answered yes.

        loss = -sum_{k <= y_true} importance_k (log sigma(y_pred[k]) where y_true > k, else
                                                log(1 - sigma(y_pred[k])))

    By the chain rule this is -log P(y_true), where sigma(y_pred[k]) = P(rank > k | rank >= k), so
    the ranks' probabilities cannot contradict whatever the layer before. It is also the loss of
    CONDOR.

    Reads: y_true: (batch, ...) ranks 0 to K - 1, or (batch, ..., K - 1) levels, that is 1 for
        each k below the rank and then 0; y_pred: (batch, ..., K - 1) logits.
    Returns: (batch, ...). The authors' code divides the batch's sum by the number of questions
        asked; here, as in the paper on CONDOR, an example has its likelihood.
    Source: Shi, Cao and Raschka 2023, Deep Neural Networks for Rank-Consistent Ordinal Regression
        Based On Conditional Probabilities; Jenkinson et al. 2021, Universally Rank Consistent
        Ordinal Regression in Neural Networks.

    >>> round(float(CORN()([0], [[0.0, 0.0]])), 4)
    0.6931

    Args:
        importance: a factor >= 0 for each of the K - 1 questions.
    """

    kinds = ("ordinal",)
    source = "Shi, Cao and Raschka 2023, Deep Neural Networks for Rank-Consistent Regression"
    variants = ({}, {"importance": [1.0, 2.0, 0.5, 1.0]})

    def __init__(self, importance: Sequence[float] | None = None, **base: Any) -> None:
        super().__init__(**base)
        self.importance = check_importance("CORN", importance)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        rank, k = ops.expand_dims(ranks(y_true, y_pred), -1), questions(y_pred)
        cost = answer_cost(rank > k, y_pred)
        # A question that is not asked costs 0, unless it holds NaN.
        cost = ops.where(ops.logical_and(rank < k, cost == cost), 0.0, cost)
        return ops.sum(cost * weights("CORN", self, y_pred), axis=-1)


class CumulativeLink(Loss):
    """The proportional odds model: ranks are the pieces between K - 1 thresholds.

        P(y_true) = sigma(y_pred[y_true - 1]) - sigma(y_pred[y_true]),  sigma = 1 and 0 at the ends
        loss = -log P(y_true)

    Reads: y_true: (batch, ...) ranks 0 to K - 1, or (batch, ..., K - 1) levels; y_pred:
        (batch, ..., K - 1) logits of 'rank > k', falling with k, such as a score minus thresholds.
    Returns: (batch, ...).
    Edges: logits that do not fall, where P is 0 or less, cost their gap and are pulled apart: the
        logarithm goes on along its tangent below a gap of 0.001.
    Source: McCullagh 1980, Regression Models for Ordinal Data.

    >>> round(float(CumulativeLink()([0], [[0.0, -1.0]])), 4)
    0.6931
    """

    kinds = ("ordinal",)
    source = "McCullagh 1980, Regression Models for Ordinal Data"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        rank, last = ranks(y_true, y_pred), y_pred.shape[-1]
        k, rank_of = questions(y_pred), ops.expand_dims(rank, -1)

        def logit(at: Any) -> Any:
            return ops.sum(ops.where(k == at, y_pred, ops.zeros_like(y_pred)), axis=-1)

        upper, lower = logit(rank_of - 1), logit(rank_of)
        inner = ops.logical_and(rank > 0, rank < last)
        gap = ops.where(inner, upper - lower, 1.0)
        safe = ops.maximum(gap, SMALLEST_GAP)
        slope = 1.0 / math.expm1(SMALLEST_GAP)
        log_gap = ops.log(-ops.expm1(-safe)) + slope * ops.minimum(gap - SMALLEST_GAP, 0.0)
        cost = ops.where(rank > 0, ops.softplus(-upper), 0.0)
        cost = cost + ops.where(rank < last, ops.softplus(lower), 0.0)
        return cost - ops.where(inner, log_gap, 0.0)


class OrdinalLog(Loss):
    """Cross-entropy for ordered classes: probability costs by how far off it lies.

        loss = -sum_k |k - y_true|^power log(1 - p_k)

    Reads: y_true: (batch, ...) ranks 0 to K - 1; y_pred: (batch, ..., K) probabilities or logits.
    Returns: (batch, ...).
    Source: Castagnos, Mihelich and Dognin 2022, A Simple Log-based Loss Function for Ordinal Text
        Classification, equation 4.

    >>> round(float(OrdinalLog()([0], [[0.5, 0.5]])), 4)
    0.6931

    Args:
        power: how much more distant classes cost, > 0; the paper's best are 1 and 1.5.
        from_logits: predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Castagnos, Mihelich and Dognin 2022, A Simple Log-based Loss Function"
    search = {"power": Float(0.5, 2.0)}
    variants = ({}, {"power": 1.5, "from_logits": True}, {"power": 2.0})

    def __init__(self, power: float = 1.0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.power = check_range("OrdinalLog", "power", power, 1e-2)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        rank = ops.cast(ops.expand_dims(_ids(y_true, y_pred), -1), y_pred.dtype)
        away = ops.abs(ops.cast(questions(y_pred), y_pred.dtype) - rank) ** self.power
        return -ops.sum(away * log_complement(log_softmax(y_pred, self.from_logits)), axis=-1)


def ranks(y_true: Any, y_pred: Any) -> Any:
    """Integer ranks (...) from ranks, or from levels of the predictions' shape."""
    if is_class_ids(y_true, y_pred):
        return ops.cast(class_ids(y_true, y_pred), "int32")
    return ops.sum(ops.cast(ops.round(y_true) > 0, "int32"), axis=-1)


def questions(y_pred: Any) -> Any:
    return ops.arange(y_pred.shape[-1], dtype="int32")


def answer_cost(yes: Any, logits: Any) -> Any:
    """-log sigma(logit) where the answer is yes, -log(1 - sigma(logit)) elsewhere."""
    return ops.softplus(ops.where(yes, -logits, logits))


def check_importance(loss: str, importance: Any) -> list[float] | None:
    if importance is None:
        return None
    return [check_range(loss, "importance", v, 0.0) for v in importance]


def weights(loss: str, of: Any, y_pred: Any) -> Any:
    if of.importance is None:
        return 1.0
    if len(of.importance) != y_pred.shape[-1]:
        raise ValueError(
            f"{loss}: importance has {len(of.importance)} factors for predictions of shape "
            f"{tuple(y_pred.shape)}."
        )
    return ops.convert_to_tensor(of.importance, dtype=y_pred.dtype)


def _ids(y_true: Any, y_pred: Any) -> Any:
    if is_class_ids(y_true, y_pred):
        return class_ids(y_true, y_pred)
    return ops.argmax(y_true, axis=-1)
