"""Embeddings of examples that have several labels each."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import cosine_similarity, diagonal
from lossforge.ranges import Float


class MultiSupCon(Loss):
    """Supervised contrast for sets of labels: the more two sets share, the more they attract.

        w_ij = |A_i and A_j| / |A_i or A_j|, and 0 below the threshold
        loss_i = sum_j w_ij log(sum_{k != i} exp(cos_ik / T) / exp(cos_ij / T)) / sum_j w_ij

    with j and k over the others of the batch. With one label each it is SupCon.

    Reads: y_true: (batch, L) in {0, 1}, the labels of each example; y_pred: embeddings (batch, D),
        any length.
    Returns: (batch,).
    Edges: an example that shares nothing with another, or has no label, costs 0.
    Source: Lin et al. 2023, An Effective Deployment of Contrastive Learning in Multi-label Text
        Classification (weights by Jaccard's index); Khosla et al. 2020, Supervised Contrastive
        Learning; the threshold is pytorch-metric-learning's.

    >>> x = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    >>> round(float(MultiSupCon()([[1, 1], [0, 1], [1, 0]], x)), 4)  # log 2
    0.6931

    Args:
        temperature: T > 0.
        threshold: pairs that share less do not attract, in [0, 1].

    Raises:
        ValueError: for numbers out of range, or targets that are no sets of labels.
    """

    kinds = ("label_sets",)
    source = "Lin et al. 2023, An Effective Deployment of Contrastive Learning in Multi-label Text"
    minimum = None
    best_at_perfect = False  # sets that overlap in part pull in several directions
    batch_coupled = True
    memory = "O(B^2)"
    search = {"temperature": Float(0.05, 1.0, log=True), "threshold": Float(0.0, 0.7)}
    variants = ({}, {"temperature": 0.5, "threshold": 0.4})

    def __init__(self, temperature: float = 0.1, threshold: float = 0.0, **base: Any) -> None:
        super().__init__(**base)
        self.temperature = check_range("MultiSupCon", "temperature", temperature, 1e-6)
        self.threshold = check_range("MultiSupCon", "threshold", threshold, 0.0, 1.0)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        if len(y_pred.shape) != 2 or len(y_true.shape) != 2:
            raise ValueError(
                "MultiSupCon reads label sets (batch, L) and embeddings (batch, D), "
                f"got {tuple(y_true.shape)} and {tuple(y_pred.shape)}."
            )
        counts = ops.reshape(counts, (-1,))
        logits = cosine_similarity(y_pred) / self.temperature
        both = ops.logical_and(counts[:, None], counts[None, :])
        others = ops.logical_and(both, ops.logical_not(diagonal(logits)))
        weight = self._overlap(ops.cast(y_true, y_pred.dtype), others)
        log_total = pairs.log_sum_exp_where(others, logits)
        total = ops.sum(weight, axis=-1)
        values = ops.sum(weight * (log_total[:, None] - logits), axis=-1)
        values = values / ops.where(total > 0, total, 1.0)
        return pairs.where_nan(y_pred, values)

    def _overlap(self, labels: Any, others: Any) -> Any:
        shared = ops.matmul(labels, ops.transpose(labels))
        size = ops.sum(labels, axis=-1)
        union = size[:, None] + size[None, :] - shared
        index = shared / ops.where(union > 0, union, 1.0)
        kept = ops.logical_and(others, index >= self.threshold)
        return ops.where(kept, index, 0.0)
