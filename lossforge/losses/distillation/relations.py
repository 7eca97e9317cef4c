"""A student taught by how a teacher's embeddings of a batch relate to each other.

Teacher and student may have embeddings of different sizes: only relations are compared.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.distillation.features import rows
from lossforge.losses.embedding.distances import (
    cosine_similarity,
    diagonal,
    euclidean,
    squared_euclidean,
    unit,
)
from lossforge.losses.embedding.pairs import mean_where, number, sum_where
from lossforge.ranges import Float


class InBatchRelations(Loss):
    """The base of losses that compare two (B, B) matrices of relations.

    A subclass writes `compare(teacher, student, both)`: from embeddings (B, D) and (B, D') to one
    value a row. `both`, boolean (B, B), is True where row and column count.
    """

    batch_coupled = True
    memory = "O(B^2)"

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        counts = ops.reshape(counts, (-1,))
        both = ops.logical_and(counts[:, None], counts[None, :])
        return self.compare(rows(ops.cast(y_true, y_pred.dtype)), rows(y_pred), both)

    def compare(self, teacher: Any, student: Any, both: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define compare.")


class RelationalDistance(InBatchRelations):
    """Distances between the student's embeddings must be the teacher's, up to scale.

        d_ij = |f_i - f_j| / mean distance,    loss_i = mean_j huber(d_ij(t) - d_ij(s))

    The distance part of relational knowledge distillation (the angle part needs all triplets of a
    batch). Huber's loss has its bend at 1. The diagonal counts as pairs of distance 0, as in the
    authors' code; the mean distance is over pairs.

    Reads: y_true: (batch, ...) embeddings of the teacher; y_pred: (batch, ...) of the student.
    Returns: (batch,).
    Edges: embeddings that are all equal have distances 0.
    Source: Park et al. 2019, Relational Knowledge Distillation, equations 4 to 6.

    >>> float(RelationalDistance()([[0.0], [1.0], [3.0]], [[0.0], [2.0], [6.0]]))
    0.0
    """

    kinds = ("teacher_features",)
    source = "Park et al. 2019, Relational Knowledge Distillation"

    def compare(self, teacher: Any, student: Any, both: Any) -> Any:
        gap = ops.abs(self._relations(teacher, both) - self._relations(student, both))
        cost = ops.where(gap < 1.0, 0.5 * ops.square(gap), gap - 0.5)
        return mean_where(both, cost)

    def _relations(self, x: Any, both: Any) -> Any:
        distance = ops.where(both, euclidean(x), 0.0)
        pairs = ops.logical_and(both, ops.logical_not(diagonal(x)))
        pairs = ops.maximum(ops.sum(number(pairs, x)), 1.0)
        mean = ops.sum(distance) / pairs
        return distance / ops.where(ops.equal(mean, 0.0), 1.0, mean)


class SimilarityPreserving(InBatchRelations):
    """Examples that are alike to the teacher must be alike to the student.

        G = F F^T with rows of length 1,    loss_i = mean_j (G_ij(t) - G_ij(s))^2

    Reads: y_true: (batch, ...) features of the teacher; y_pred: (batch, ...) of the student.
    Returns: (batch,); their mean is the paper's 1 / B^2 of the squared Frobenius norm.
    Edges: an example whose features are all 0 has a row of 0.
    Source: Tung and Mori 2019, Similarity-Preserving Knowledge Distillation, equations 1 to 4.

    >>> float(SimilarityPreserving()([[1.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [2.0, 0.0]]))
    0.0
    """

    kinds = ("teacher_features",)
    source = "Tung and Mori 2019, Similarity-Preserving Knowledge Distillation"

    def compare(self, teacher: Any, student: Any, both: Any) -> Any:
        gap = self._relations(teacher, both) - self._relations(student, both)
        return mean_where(both, ops.square(gap))

    def _relations(self, x: Any, both: Any) -> Any:
        return unit(ops.where(both, ops.matmul(x, ops.transpose(x)), 0.0))


class ProbabilisticKnowledgeTransfer(InBatchRelations):
    """The neighbours of an example must be as probable to the student as to the teacher.

        p_j|i = (cos_ij + 1) / sum over k != i of (cos_ik + 1),    loss_i = KL(p(t) || p(s))

    Reads: y_true: (batch, ...) embeddings of the teacher; y_pred: (batch, ...) of the student.
    Returns: (batch,); 0 for an example without others.
    Edges: probabilities are kept at 1e-7 or more. An example is not its own neighbour, as in the
        paper; the authors' code leaves it in.
    Source: Passalis and Tefas 2018, Learning Deep Representations with Probabilistic Knowledge
        Transfer, equations 4 to 8.

    >>> x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> float(ProbabilisticKnowledgeTransfer()(x, x))
    0.0
    """

    kinds = ("teacher_features",)
    source = "Passalis and Tefas 2018, Learning Deep Representations with Probabilistic Transfer"

    def compare(self, teacher: Any, student: Any, both: Any) -> Any:
        others = ops.logical_and(both, ops.logical_not(diagonal(student)))
        p, q = (self._neighbours(x, others) for x in (teacher, student))
        return sum_where(others, p * (ops.log(p) - ops.log(q)))

    def _neighbours(self, x: Any, others: Any) -> Any:
        likeness = ops.where(others, cosine_similarity(x) + 1.0, 0.0)
        total = ops.sum(likeness, axis=-1, keepdims=True)
        share = likeness / ops.where(ops.equal(total, 0.0), 1.0, total)
        return ops.maximum(share, 1e-7)


class CorrelationCongruence(InBatchRelations):
    """Embeddings must be as near to each other, under a Gaussian kernel, as the teacher's.

        C_ij = exp(-gamma |f_i - f_j|^2),    loss_i = mean_j (C_ij(t) - C_ij(s))^2

    The paper expands the kernel into a Taylor series to speed it up; here it is exact.

    Reads: y_true: (batch, ...) embeddings of the teacher; y_pred: (batch, ...) of the student.
    Returns: (batch,).
    Source: Peng et al. 2019, Correlation Congruence for Knowledge Distillation, equations 6 and 8.

    >>> float(CorrelationCongruence(normalise=False)([[0.0], [1.0]], [[5.0], [6.0]]))
    0.0

    Args:
        gamma: inverse squared width, > 0; the paper's 0.4.
        normalise: whether embeddings are brought to length 1 first.

    Raises:
        ValueError: for a gamma out of range.
    """

    kinds = ("teacher_features",)
    source = "Peng et al. 2019, Correlation Congruence for Knowledge Distillation"
    search = {"gamma": Float(0.05, 4.0, log=True)}
    variants = ({}, {"gamma": 0.05, "normalise": False})

    def __init__(self, gamma: float = 0.4, normalise: bool = True, **base: Any) -> None:
        super().__init__(**base)
        self.gamma = check_range("CorrelationCongruence", "gamma", gamma, 1e-9)
        self.normalise = bool(normalise)

    def compare(self, teacher: Any, student: Any, both: Any) -> Any:
        gap = self._relations(teacher) - self._relations(student)
        return mean_where(both, ops.square(gap))

    def _relations(self, x: Any) -> Any:
        x = unit(x) if self.normalise else x
        return ops.exp(-self.gamma * squared_euclidean(x))
