"""A student taught by the angles that a teacher's embeddings of a batch form."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.distillation.relations import InBatchRelations
from lossforge.losses.embedding.distances import safe_sqrt


class RelationalAngle(InBatchRelations):
    """Angles between the student's embeddings must be the teacher's.

        c_ijk = cos of the angle at j between i and k
        loss_j = mean over i and k of huber(c_ijk(t) - c_ijk(s))

    The angle part of relational knowledge distillation; the paper adds RelationalDistance to twice
    this. Huber's loss has its bend at 1. As in the authors' code the mean is over all i and k, also
    where two of the three are one, whose cosine is 0.

    The vertices j are taken one after the other and leave only their value; the gradient takes
    them once more.

    Reads: y_true: (batch, ...) embeddings of the teacher; y_pred: (batch, ...) of the student.
    Returns: (batch,), one value a vertex.
    Edges: embeddings that are equal form cosines of 0. Time is O(B^3); second derivatives are not
        defined.
    Source: Park et al. 2019, Relational Knowledge Distillation, equations 7 and 8.

    >>> float(RelationalAngle()([[0.0], [1.0], [3.0]], [[0.0], [2.0], [9.0]]))
    0.0
    """

    kinds = ("teacher_features",)
    source = "Park et al. 2019, Relational Knowledge Distillation"

    def compare(self, teacher: Any, student: Any, both: Any) -> Any:
        counts = ops.cast(ops.any(both, axis=-1), student.dtype)
        share = 1.0 / ops.maximum(ops.square(ops.sum(counts)), 1.0)
        teacher = ops.stop_gradient(teacher)

        def gaps(student, j):
            """(gap of all cosines at j, directions of the student's edges, their lengths)."""
            wanted, _ = edges(teacher, j, counts)
            have, length = edges(student, j, counts)
            cosines = ops.matmul(have, ops.transpose(have))
            return cosines - ops.matmul(wanted, ops.transpose(wanted)), have, length

        def value(student, j):
            gap, _, _ = gaps(student, j)
            size = ops.abs(gap)
            return share * ops.sum(ops.where(size < 1.0, 0.5 * size * size, size - 0.5))

        def slope(student, j):
            gap, have, length = gaps(student, j)
            along = 2.0 * share * ops.matmul(ops.clip(gap, -1.0, 1.0), have)
            across = along - have * ops.sum(have * along, axis=-1, keepdims=True)
            by_row = across / ops.where(length > 0.0, length, 1.0)
            at_j = ops.cast(ops.equal(ops.arange(ops.shape(student)[0]), j), student.dtype)[:, None]
            return by_row - at_j * ops.sum(by_row, axis=0)

        return by_vertex(value, slope, student)


def by_vertex(value: Any, slope: Any, x: Any) -> Any:
    """(batch,) values of all j, by a loop, with their gradient by another.

    Args:
        value: (x, j) -> a number.
        slope: (x, j) -> its slope in x, (batch, D).
        x: (batch, D).
    """

    @ops.custom_gradient
    def function(x):
        values = ops.map(lambda j: value(x, j), ops.arange(ops.shape(x)[0]))

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            add = lambda j, total: total + ops.take(upstream, j) * slope(x, j)  # noqa: E731
            return ops.fori_loop(0, ops.shape(x)[0], add, ops.zeros_like(x))

        return values, gradient

    return function(x)


def edges(x: Any, j: Any, counts: Any) -> tuple[Any, Any]:
    """(directions from x_j to all rows, 0 for itself and for rows that do not count; lengths)."""
    away = (x - ops.take(x, j, axis=0)[None, :]) * (counts * ops.take(counts, j))[:, None]
    length = safe_sqrt(ops.sum(ops.square(away), axis=-1, keepdims=True))
    return away / ops.where(length > 0.0, length, 1.0), length
