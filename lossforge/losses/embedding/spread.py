"""Regularisers of embeddings, which no label needs: uniform, uncorrelated, of one length."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.regression.differences import safe_sqrt
from lossforge.losses.regression.in_batch import examples
from lossforge.ranges import Float


class Uniformity(Loss):
    """Spreads embeddings evenly over the sphere.

        loss = log mean_{i < j} exp(-t |x_i - x_j|^2),   x = y_pred / |y_pred|

    Reads: y_true: not used; y_pred: (batch, D) embeddings.
    Returns: (batch,), each the value of the batch, so that their mean is the paper's loss.
    Edges: a batch of one costs 0. O(B^2) memory.
    Source: Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment
        and Uniformity on the Hypersphere.

    >>> round(float(Uniformity()([0, 1], [[1.0, 0.0], [0.0, 1.0]])), 4)
    -4.0

    Args:
        t: sharpness, > 0; the paper's 2.
    """

    batch_coupled = True
    kinds = ("spread",)
    source = "Wang and Isola 2020, Alignment and Uniformity on the Hypersphere"
    minimum = None
    search = {"t": Float(0.5, 5.0)}
    variants = ({}, {"t": 1.0})
    memory = "O(B^2)"

    def __init__(self, t: float = 2.0, **base: Any) -> None:
        super().__init__(**base)
        self.t = check_range("Uniformity", "t", t, 1e-3)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        counts, x = examples(counts), directions(y_pred)
        pair = pairs(counts, x)
        square = ops.sum(ops.square(x), axis=-1)
        distance = ops.expand_dims(square, 0) + ops.expand_dims(square, 1)
        distance = distance - 2.0 * ops.matmul(x, ops.transpose(x))
        number = ops.sum(pair)
        mean = ops.sum(pair * ops.exp(-self.t * distance)) / ops.maximum(number, 1.0)
        loss = ops.log(ops.where(number > 0, mean, 1.0))
        return loss * ops.ones_like(square)


class Covariance(Loss):
    """Takes the correlation out of the coordinates of embeddings.

        C = sum_i (x_i - mean)(x_i - mean)' / (B - 1),   x = y_pred
        loss = sum_{a != b} C_ab^2 / D

    Reads: y_true: not used; y_pred: (batch, D) embeddings.
    Returns: (batch,), each the value of the batch, so that their mean is the paper's loss.
    Edges: a batch of one costs 0. O(D^2) memory.
    Source: Bardes, Ponce and LeCun 2022, VICReg, equation 4.

    >>> float(Covariance()([0, 1], [[0.0, 0.0], [1.0, 1.0]]))
    0.25
    """

    batch_coupled = True
    kinds = ("spread",)
    source = "Bardes, Ponce and LeCun 2022, VICReg"
    memory = "O(B + D^2)"

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        known = ops.expand_dims(ops.cast(examples(counts), y_pred.dtype), -1)
        number = ops.sum(known)
        centre = ops.sum(known * y_pred, axis=0) / ops.maximum(number, 1.0)
        x = known * (y_pred - centre)
        covariance = ops.matmul(ops.transpose(x), x) / ops.maximum(number - 1.0, 1.0)
        size = y_pred.shape[-1]
        between = 1.0 - ops.eye(size, dtype=y_pred.dtype)
        loss = ops.sum(ops.square(covariance) * between) / size
        return loss * ops.ones_like(y_pred[:, 0])


class SphericalEmbedding(Loss):
    """Gives all embeddings of the batch one length, so that only their angles differ.

        loss_i = (|y_pred_i| - mean_j |y_pred_j|)^2

    Reads: y_true: not used; y_pred: (batch, D) embeddings, before they are normalised.
    Returns: (batch,).
    Source: Zhang et al. 2020, Deep Metric Learning with Spherical Embedding, equation 7.

    >>> float(SphericalEmbedding()([0, 1], [[3.0, 4.0], [0.0, 1.0]]))
    4.0
    """

    batch_coupled = True
    kinds = ("spread",)
    source = "Zhang et al. 2020, Deep Metric Learning with Spherical Embedding"

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        known = ops.cast(examples(counts), y_pred.dtype)
        length = safe_sqrt(ops.sum(ops.square(y_pred), axis=-1))
        mean = ops.sum(known * length) / ops.maximum(ops.sum(known), 1.0)
        return ops.square(length - mean)


def directions(x: Any) -> Any:
    """Vectors of length 1; one of length 0 stays, without a gradient."""
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    empty = ops.equal(square, 0.0)
    return x / ops.sqrt(ops.where(empty, ops.ones_like(square), square))


def pairs(counts: Any, x: Any) -> Any:
    """1 for two different examples that count, else 0: (batch, batch)."""
    known = ops.cast(counts, x.dtype)
    itself = ops.cast(
        ops.expand_dims(ops.arange(ops.shape(x)[0]), 0)
        == ops.expand_dims(ops.arange(ops.shape(x)[0]), 1),
        x.dtype,
    )
    return ops.expand_dims(known, 0) * ops.expand_dims(known, 1) * (1.0 - itself)
