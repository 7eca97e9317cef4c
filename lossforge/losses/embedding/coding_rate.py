"""Embeddings of a class take few bits to code, and those of all classes together many."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.cholesky import cholesky
from lossforge.losses.embedding.distances import unit
from lossforge.ranges import Float


class MCR2(Loss):
    """Maximal coding rate reduction: classes fill subspaces at right angles to each other.

        R = 1/2 log det(I + D / (N distortion) Z Z^T)                  bits of all embeddings
        R_c = N_c / (2 N) log det(I + D / (N_c distortion) Z_c Z_c^T)  of those of class c
        loss = sum_c R_c - R,    for every example

    on embeddings of length 1. All R_c come from one factor of one B x B matrix whose blocks are the
    classes.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), any length.
    Returns: (batch,), equal for all, at most 0.
    Edges: a batch of one class costs 0. Memory is O(B^2).
    Source: Yu et al. 2020, Learning Diverse and Discriminative Representations via the Principle of
        Maximal Coding Rate Reduction, equations 7 and 8.

    >>> loss = MCR2(distortion=1.0)([0, 1], [[2.0, 0.0], [0.0, 3.0]])
    >>> round(float(loss), 4)  # log(3) / 2 - log(2)
    -0.1438

    Args:
        distortion: epsilon squared, > 0; the paper's 0.5.

    Raises:
        ValueError: for a distortion out of range.
    """

    kinds = ("embedding",)
    source = "Yu et al. 2020, The Principle of Maximal Coding Rate Reduction"
    minimum = None
    batch_coupled = True
    memory = "O(B^2)"
    search = {"distortion": Float(0.05, 2.0, log=True)}
    variants = ({}, {"distortion": 0.1})

    def __init__(self, distortion: float = 0.5, **base: Any) -> None:
        super().__init__(**base)
        self.distortion = check_range("MCR2", "distortion", distortion, 1e-6)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        labels, counts = pairs.check_batch("MCR2", y_true, y_pred, counts)
        both = ops.logical_and(counts[:, None], counts[None, :])
        same = ops.logical_and(both, ops.equal(labels[:, None], labels[None, :]))
        z = unit(y_pred)
        gram = ops.matmul(z, ops.transpose(z)) * (z.shape[-1] / self.distortion)
        every, own = (ops.maximum(pairs.number(mask, z), 1.0) for mask in (both, same))
        rate = ops.sum(self._log_factor(gram, both, every))
        by_class = ops.sum(own / every * self._log_factor(gram, same, own))
        return ops.broadcast_to(by_class - rate, ops.shape(own))

    def _log_factor(self, gram: Any, mask: Any, number: Any) -> Any:
        """(batch,): the rows' parts of 1/2 log det. Rows of a block make up that of the block."""
        blocks = ops.where(mask, gram / number[:, None], 0.0)
        identity = ops.eye(ops.shape(gram)[0], dtype=gram.dtype)
        return ops.log(ops.diagonal(cholesky(identity + blocks)))
