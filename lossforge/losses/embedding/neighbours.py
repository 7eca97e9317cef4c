"""Losses of the softmax over all others of the batch."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.embedding import chunks, pairs
from lossforge.losses.embedding.distances import check_distance, cosine_similarity, pairwise, unit
from lossforge.losses.embedding.pairs import InBatch
from lossforge.ranges import Choice, Float


class SupCon(InBatch):
    """Contrastive learning with labels: every other member of the class is a positive.

        log_q_ij = s_ij / temperature - log sum over k != i of exp(s_ik / temperature)
        "out"    loss_i = - mean over p of log_q_ip
        "in"     loss_i = - log mean over p of q_ip

    with s the cosine. The sum runs over positives and negatives. Nothing is scaled by a base
    temperature.

    Reads: y_true: class ids (batch,), several views of an example having one id; y_pred:
        embeddings (batch, D), any length.
    Returns: (batch,).
    Edges: an anchor without positives costs 0.
    Source: Khosla et al. 2020, Supervised Contrastive Learning, equations 2 and 3.

    >>> float(SupCon()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])) < 1e-6
    True

    Args:
        temperature: > 0; the paper's 0.1.
        positives: "out" (mean outside the log, the paper's better one) or "in".
        chunk: rows of the matrix of pairs to hold at a time, O(chunk B) memory for large batches;
            None holds all.
    """

    kinds = ("embedding",)
    source = "Khosla et al. 2020, Supervised Contrastive Learning"
    search = {"temperature": Float(0.03, 1.0, log=True), "positives": Choice(("out", "in"))}
    variants = (
        {},
        {"positives": "in"},
        {"temperature": 1.0},
        {"chunk": 4},
        {"positives": "in", "chunk": 4},
    )

    def __init__(
        self,
        temperature: float = 0.1,
        positives: str = "out",
        chunk: int | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.temperature = check_range("SupCon", "temperature", temperature, 1e-6)
        if positives not in ("out", "in"):
            raise ValueError(f"SupCon: positives must be 'out' or 'in', got {positives!r}.")
        self.positives = positives
        self.chunk = chunks.check_chunk("SupCon", chunk)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        if self.chunk is None:
            return super().call_valid(y_true, y_pred, counts)
        labels, counts = pairs.check_batch("SupCon", y_true, y_pred, counts)
        values = self._in_chunks(unit(y_pred), labels, counts, self.chunk)
        return pairs.where_nan(y_pred, values)

    def _in_chunks(self, x: Any, labels: Any, counts: Any, chunk: int) -> Any:
        columns = ops.arange(ops.shape(x)[0])

        def others(rows):
            return ops.logical_and(rows[:, None] != columns, counts[None, :])

        def positives(rows):
            same = ops.take(labels, rows)[:, None] == labels[None, :]
            return ops.logical_and(others(rows), same)

        scale = 1.0 / self.temperature
        log_total = chunks.log_sum_exp_of_dots(x, others, scale, chunk)
        sums, number = chunks.class_sums(x, labels, counts)
        number = ops.where(counts, number - 1.0, 0.0)
        if self.positives == "out":
            own = ops.sum(x * (sums - x), axis=-1) * scale / ops.maximum(number, 1.0)
            return ops.where(number > 0, log_total - own, 0.0)
        log_same = chunks.log_sum_exp_of_dots(x, positives, scale, chunk)
        values = log_total - log_same + ops.log(ops.maximum(number, 1.0))
        return ops.where(number > 0, values, 0.0)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        logits = cosine_similarity(embeddings) / self.temperature
        log_total = pairs.log_sum_exp_where(ops.logical_or(positive, negative), logits)
        if self.positives == "out":
            return pairs.mean_where(positive, log_total[:, None] - logits)
        values = log_total - pairs.log_sum_exp_where(positive, logits)
        values = values + ops.log(ops.maximum(pairs.number(positive, logits), 1.0))
        return ops.where(pairs.some(positive), values, 0.0)


class NCA(InBatch):
    """The chance that a neighbour drawn by distance is of the same class.

        loss_i = - log [sum_p exp(-scale d(i, p)) / sum over j != i of exp(-scale d(i, j))]

    The soft nearest neighbour loss is the same with scale = 1 / temperature.

    Reads: y_true: class ids (batch,); y_pred: embeddings (batch, D), taken as they are.
    Returns: (batch,).
    Edges: an anchor without positives costs 0; in log space, so far points keep their gradient.
    Source: Goldberger et al. 2004, Neighbourhood Components Analysis; Frosst et al. 2019, Analyzing
        and Improving Representations with the Soft Nearest Neighbor Loss.

    >>> float(NCA()([0, 0, 1], [[0.0], [0.0], [9.0]]))
    0.0

    Args:
        scale: > 0.
        distance: a name in `lossforge.losses.embedding.distances`.
    """

    kinds = ("embedding",)
    source = "Goldberger et al. 2004, Neighbourhood Components Analysis"
    search = {"scale": Float(0.1, 10.0, log=True)}
    variants = ({}, {"scale": 4.0, "distance": "chord"}, {"distance": "cosine"})

    def __init__(
        self, scale: float = 1.0, distance: str = "squared_euclidean", **base: Any
    ) -> None:
        super().__init__(**base)
        self.scale = check_range("NCA", "scale", scale, 1e-6)
        self.distance = check_distance("NCA", distance)

    def pair_values(self, embeddings: Any, positive: Any, negative: Any) -> Any:
        logits = -self.scale * pairwise(embeddings, distance=self.distance)
        log_total = pairs.log_sum_exp_where(ops.logical_or(positive, negative), logits)
        values = log_total - pairs.log_sum_exp_where(positive, logits)
        return ops.where(pairs.some(positive), values, 0.0)
