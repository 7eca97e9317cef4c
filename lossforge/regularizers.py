"""Regularisers of class weights, centres and proxies: Keras regularizers for a layer's kernel.

All take a matrix of one vector a class and give one number. `Lp` and `ZeroMean` may also be a
layer's `activity_regularizer`, for embeddings; `axis` then says which axis runs over the vectors.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.regression.differences import safe_sqrt


class WeightRegularizer(keras.regularizers.Regularizer):
    """The base: a factor, and which axis of the matrix runs over the vectors.

    Args:
        factor: what the regulariser is multiplied by, >= 0.
        axis: -1 for the kernel of a dense layer, (D, classes); 0 for a table, (classes, D).
    """

    def __init__(self, factor: float = 0.01, axis: int = -1) -> None:
        name = type(self).__name__
        self.factor = check_range(name, "factor", factor, 0.0)
        if axis not in (0, -1):
            raise ValueError(f"{name}: axis must be 0 or -1, got {axis!r}.")
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        x = ops.convert_to_tensor(x)
        if keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16"):
            x = ops.cast(x, "float32")
        if len(x.shape) != 2:
            raise ValueError(
                f"{type(self).__name__} reads a matrix of one vector a class, "
                f"got weights of shape {tuple(x.shape)}."
            )
        vectors = x if self.axis == 0 else ops.transpose(x)
        return self.factor * self.of_vectors(vectors)

    def of_vectors(self, vectors: Any) -> Any:
        """One number from vectors (classes, D)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "axis": self.axis}


@keras.saving.register_keras_serializable("lossforge")
class Lp(WeightRegularizer):
    """Keeps vectors short, by any norm.

        factor mean_c |w_c|_p^power

    Edges: slope 0 for a vector of length 0. Keras's L1 and L2 sum over all elements; here the
        number of classes does not matter.
    Source: Musgrave et al. 2020, PyTorch Metric Learning (its LpRegularizer).

    >>> float(Lp(factor=1.0, axis=0)([[3.0, 4.0], [0.0, 0.0]]))
    2.5

    Args:
        factor: as in the base.
        axis: as in the base.
        p: of the norm, >= 1.
        power: of the norm, >= 1; 2 with p = 2 is the mean squared length.
    """

    def __init__(
        self, factor: float = 0.01, axis: int = -1, p: float = 2.0, power: float = 1.0
    ) -> None:
        super().__init__(factor, axis)
        self.p = check_range("Lp", "p", p, 1.0, 10.0)
        self.power = check_range("Lp", "power", power, 1.0, 10.0)

    def of_vectors(self, vectors: Any) -> Any:
        # Scaled by the largest element, so that no power overflows.
        size = ops.max(ops.abs(ops.stop_gradient(vectors)), axis=-1, keepdims=True)
        none = ops.equal(size, 0.0)
        size = ops.where(none, ops.ones_like(size), size)
        total = ops.sum(ops.abs(vectors / size) ** self.p, axis=-1, keepdims=True)
        norm = size * ops.where(none, 1.0, total) ** (1.0 / self.p)
        norm = ops.where(none, 0.0 * total, norm)
        return ops.mean(norm if self.power == 1.0 else norm**self.power)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.p, "power": self.power}


@keras.saving.register_keras_serializable("lossforge")
class ZeroMean(WeightRegularizer):
    """Keeps the coordinates of each vector in balance around 0.

        factor mean_c |sum_d w_c,d|

    Source: Musgrave et al. 2020, PyTorch Metric Learning (its ZeroMeanRegularizer).

    >>> float(ZeroMean(factor=1.0, axis=0)([[1.0, -1.0], [1.0, 1.0]]))
    1.0
    """

    def of_vectors(self, vectors: Any) -> Any:
        return ops.mean(ops.abs(ops.sum(vectors, axis=-1)))


@keras.saving.register_keras_serializable("lossforge")
class CenterInvariant(WeightRegularizer):
    """Gives all classes one length of vector, so that rare ones are not ruled out by theirs.

        factor mean_c (|w_c|^2 - mean_k |w_k|^2)^2 / 4

    Source: Wu et al. 2017, Deep Face Recognition with Center Invariant Loss, equation 5 (over all
        classes in place of those of a batch).

    >>> float(CenterInvariant(factor=1.0, axis=0)([[2.0, 0.0], [0.0, 0.0]]))
    1.0
    """

    def of_vectors(self, vectors: Any) -> Any:
        square = ops.sum(ops.square(vectors), axis=-1)
        return 0.25 * ops.mean(ops.square(square - ops.mean(square)))


@keras.saving.register_keras_serializable("lossforge")
class RegularFace(WeightRegularizer):
    """Turns each class away from its nearest other class.

        factor mean_c max_{k != c} cos(w_c, w_k)

    Edges: O(classes^2) memory; 0 for one class.
    Source: Zhao, Xu and Cheng 2019, RegularFace: Deep Face Recognition via Exclusive
        Regularization, equation 4.

    >>> float(RegularFace(factor=1.0, axis=0)([[2.0, 0.0], [0.0, 1.0]]))
    0.0
    """

    def of_vectors(self, vectors: Any) -> Any:
        number = vectors.shape[0]
        if number == 1:
            return ops.sum(0.0 * vectors)
        unit = _unit(vectors)
        cosine = ops.matmul(unit, ops.transpose(unit))
        itself = ops.eye(number, dtype="bool")
        return ops.mean(ops.max(ops.where(itself, -2.0, cosine), axis=-1))


@keras.saving.register_keras_serializable("lossforge")
class SparseCenters(WeightRegularizer):
    """Lets the several centres of a class merge where one would do.

        factor mean over classes and pairs s < t of |w_s - w_t|,   w of length 1

    Reads: the centres of a class one after the other.
    Edges: the distance has slope 0 where two centres are equal.
    Source: Qian et al. 2019, SoftTriple Loss: Deep Metric Learning Without Triplet Sampling,
        equation 9 (as a mean over pairs).

    >>> round(float(SparseCenters(2, factor=1.0, axis=0)([[2.0, 0.0], [0.0, 1.0]])), 4)
    1.4142

    Args:
        centers: how many a class has, >= 2.
        factor: as in the base.
        axis: as in the base.
    """

    def __init__(self, centers: int, factor: float = 0.2, axis: int = -1) -> None:
        super().__init__(factor, axis)
        if not isinstance(centers, int) or centers < 2:
            raise ValueError(
                f"SparseCenters: centers must be an integer of at least 2, got {centers!r}."
            )
        self.centers = centers

    def of_vectors(self, vectors: Any) -> Any:
        number, size = vectors.shape
        if number % self.centers:
            raise ValueError(
                f"SparseCenters: {number} vectors are no multiple of centers={self.centers}."
            )
        unit = ops.reshape(_unit(vectors), (-1, self.centers, size))
        total = ops.sum(0.0 * unit)
        for step in range(1, self.centers):
            apart = unit[:, step:] - unit[:, :-step]
            total = total + ops.sum(safe_sqrt(ops.sum(ops.square(apart), axis=-1)))
        return total / (number // self.centers * math.comb(self.centers, 2))

    def get_config(self) -> dict[str, Any]:
        return {"centers": self.centers, **super().get_config()}


def _unit(vectors: Any) -> Any:
    """Vectors of length 1; one of length 0 stays, without a gradient."""
    square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    none = ops.equal(square, 0.0)
    return vectors / ops.sqrt(ops.where(none, ops.ones_like(square), square))
