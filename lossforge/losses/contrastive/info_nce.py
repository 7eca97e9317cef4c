"""Contrastive losses: two views of an example are alike, those of two examples are not."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.contrastive.views import TwoViews, both_count, number_of
from lossforge.losses.embedding import chunks
from lossforge.losses.embedding.distances import cosine_similarity, diagonal, unit
from lossforge.losses.embedding.pairs import log_sum_exp_where, number, some, sum_where
from lossforge.ranges import Choice, Float


class NTXent(TwoViews):
    """SimCLR's loss: find the other view of an example among all views of the batch.

        loss(a) = -log  exp(cos(a, p) / T) / sum over all views k != a of exp(cos(a, k) / T)
        loss_i = the mean of both views of example i as a

    `decoupled` leaves the positive p out of the sum, so that easy pairs keep their gradient in
    small batches. `sigma` then weighs positives by 2 - exp(cos / sigma) / mean exp(cos / sigma).

    Reads: y_true, y_pred: (batch, D), the two views, of any length.
    Returns: (batch,).
    Edges: one example alone costs 0. Memory is O(B^2); no B x B x D and no pairs x B matrix.
    Source: Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations,
        equation 1; decoupled: Yeh et al. 2022, Decoupled Contrastive Learning, equations 3 and 5.

    >>> float(NTXent()([[1.0, 0.0]], [[0.5, 0.5]]))
    0.0

    Args:
        temperature: T > 0.
        decoupled: whether the positive is left out of the sum.
        sigma: > 0, or None: all positives count alike. Only with `decoupled`.
        chunk: rows of the matrix of pairs to hold at a time, O(chunk B) memory for large batches;
            None holds all.

    Raises:
        ValueError: for numbers out of range, or sigma without decoupled.
    """

    kinds = ("views",)
    source = "Chen et al. 2020, A Simple Framework for Contrastive Learning"
    minimum = None
    search = {"temperature": Float(0.05, 1.0, log=True), "decoupled": Choice((False, True))}
    variants = (
        {},
        {"temperature": 0.07},
        {"decoupled": True},
        {"decoupled": True, "sigma": 0.5},
        {"chunk": 5},
        {"chunk": 5, "decoupled": True},
    )

    def __init__(
        self,
        temperature: float = 0.5,
        decoupled: bool = False,
        sigma: float | None = None,
        chunk: int | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.temperature = check_range("NTXent", "temperature", temperature, 1e-4)
        self.decoupled = bool(decoupled)
        if sigma is not None and not decoupled:
            raise ValueError(f"NTXent: sigma={sigma!r} needs decoupled=True.")
        self.sigma = None if sigma is None else check_range("NTXent", "sigma", sigma, 1e-3)
        self.chunk = chunks.check_chunk("NTXent", chunk)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        if self.chunk is not None:
            return self._in_chunks(unit(x), unit(y), counts, self.chunk)
        logits, positive, negative = all_views(x, y, counts, self.temperature)
        if not self.decoupled:
            is_partner = partners(counts)
            values = log_sum_exp_where(ops.logical_or(negative, is_partner), logits) - positive
            return halves_mean(values)
        values = log_sum_exp_where(negative, logits) - self._weights(positive, counts) * positive
        return halves_mean(ops.where(some(negative), values, 0.0))

    def _in_chunks(self, x: Any, y: Any, counts: Any, chunk: int) -> Any:
        size = ops.shape(x)[0]
        columns = ops.arange(2 * size)
        counted = ops.concatenate([counts, counts])[None, :]

        def others(rows):
            rows = rows[:, None]
            other = columns % size != rows % size if self.decoupled else columns != rows
            return ops.logical_and(other, counted)

        positive = ops.tile(ops.sum(x * y, axis=-1) / self.temperature, 2)
        views = ops.concatenate([x, y], axis=0)
        log_total = chunks.log_sum_exp_of_dots(views, others, 1.0 / self.temperature, chunk)
        if not self.decoupled:
            return halves_mean(log_total - positive)
        some_others = ops.sum(ops.cast(counts, "int32")) > 1
        values = log_total - self._weights(positive, counts) * positive
        return halves_mean(ops.where(some_others, values, 0.0))

    def _weights(self, positive: Any, counts: Any) -> Any:
        if self.sigma is None:
            return 1.0
        counts = ops.concatenate([counts, counts])
        raised = ops.exp((positive * self.temperature - 1.0) / self.sigma)
        mean = ops.sum(ops.where(counts, raised, 0.0)) / number_of(counts, raised)
        return 2.0 - raised / ops.maximum(mean, 1e-30)


class HardNegativeNTXent(TwoViews):
    """SimCLR's loss with negatives that are corrected for being of the same class, and hard.

        e_k = exp(cos(a, k) / T) for the N negatives k,     e_p for the positive
        E = sum_k e_k^beta e_k / mean_k e_k^beta
        negatives = max((E - tau N e_p) / (1 - tau), N exp(-1 / T))
        loss(a) = -log e_p / (e_p + negatives)

    beta = 0 is the debiased loss; tau = 0 and beta = 0 is NTXent.

    Reads: y_true, y_pred: (batch, D), the two views, of any length.
    Returns: (batch,), the mean of both views as a.
    Edges: one example alone costs 0.
    Source: Chuang et al. 2020, Debiased Contrastive Learning, equation 8; Robinson et al. 2021,
        Contrastive Learning with Hard Negative Samples, equation 4.

    >>> float(HardNegativeNTXent()([[1.0, 0.0]], [[0.5, 0.5]]))
    0.0

    Args:
        temperature: T > 0.
        tau: the chance in [0, 0.99] that a negative is of the same class.
        beta: how much hard negatives count more, >= 0.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("views",)
    source = "Robinson et al. 2021, Contrastive Learning with Hard Negative Samples"
    minimum = None
    search = {"temperature": Float(0.05, 1.0, log=True), "beta": Float(0.0, 2.0)}
    variants = ({}, {"beta": 0.0, "tau": 0.05}, {"tau": 0.0, "beta": 0.5, "temperature": 0.2})

    def __init__(
        self, temperature: float = 0.5, tau: float = 0.1, beta: float = 1.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.temperature = check_range("HardNegativeNTXent", "temperature", temperature, 1e-3)
        self.tau = check_range("HardNegativeNTXent", "tau", tau, 0.0, 0.99)
        self.beta = check_range("HardNegativeNTXent", "beta", beta, 0.0)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        logits, positive, negative = all_views(x, y, counts, self.temperature)
        many = number(negative, logits)
        # E / exp(1 / T), which is at most N: exp(1 / T) overflows for small temperatures
        top = 1.0 / self.temperature
        log_hard = log_sum_exp_where(negative, (1.0 + self.beta) * logits)
        log_mean = log_sum_exp_where(negative, self.beta * logits) - ops.log(ops.maximum(many, 1.0))
        hard = ops.exp(log_hard - log_mean - top)
        easy = ops.exp(positive - top)
        least = many * math.exp(-2.0 * top)
        total = ops.maximum((hard - self.tau * many * easy) / (1.0 - self.tau), least)
        total = ops.where(some(negative), total, 0.0)
        log_total = ops.log(ops.where(some(negative), ops.maximum(total, 1e-37), 1.0)) + top
        values = ops.softplus(log_total - positive)
        return halves_mean(ops.where(some(negative), values, 0.0))


class InfoNCE(TwoViews):
    """Find the other view of an example among the other views of the batch: CLIP's loss.

        forward     loss_i = -log exp(cos(x_i, y_i) / T) / sum_j exp(cos(x_i, y_j) / T)
        symmetric   the mean of that and of the same with x and y exchanged

    Unlike NTXent, x is never compared with x: right for two modalities, or for questions and
    answers (`symmetric=False`, temperature 0.05: multiple negatives ranking with scale 20).

    Reads: y_true: (batch, D), x; y_pred: (batch, D), y; of any length.
    Returns: (batch,).
    Edges: one example alone costs 0. For a temperature that is learnt, divide one view by it in
        the model, after normalising, and give `normalise=False, temperature=1`.
    Source: van den Oord, Li and Vinyals 2018, Representation Learning with Contrastive Predictive
        Coding, equation 4; Radford et al. 2021, Learning Transferable Visual Models From Natural
        Language Supervision; Henderson et al. 2017, Efficient Natural Language Response Suggestion.

    >>> float(InfoNCE()([[1.0, 0.0]], [[0.5, 0.5]]))
    0.0

    Args:
        temperature: T > 0; CLIP's starts at 0.07.
        symmetric: whether both directions count.
        normalise: whether cosines are compared; else dot products.

    Raises:
        ValueError: for a temperature out of range.
    """

    kinds = ("views",)
    source = "Radford et al. 2021, Learning Transferable Visual Models From Natural Language"
    minimum = None
    search = {"temperature": Float(0.02, 1.0, log=True), "symmetric": Choice((True, False))}
    variants = (
        {},
        {"symmetric": False, "temperature": 0.05},
        {"normalise": False, "temperature": 2.0},
    )

    def __init__(
        self,
        temperature: float = 0.07,
        symmetric: bool = True,
        normalise: bool = True,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.temperature = check_range("InfoNCE", "temperature", temperature, 1e-4)
        self.symmetric = bool(symmetric)
        self.normalise = bool(normalise)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        logits = dots(x, y, self.normalise) / self.temperature
        both = ops.logical_or(both_count(counts), diagonal(logits))
        positive = ops.diagonal(logits)
        values = log_sum_exp_where(both, logits) - positive
        if not self.symmetric:
            return values
        return 0.5 * (values + log_sum_exp_where(both, ops.transpose(logits)) - positive)


class SigLIP(TwoViews):
    """Each pair of views is a yes-or-no question: no sum over the batch inside a logarithm.

        loss_i = -sum_j log sigmoid(z_ij (scale cos(x_i, y_j) + bias)),   z_ij = 1 if i = j, else -1

    Reads: y_true: (batch, D), x; y_pred: (batch, D), y; of any length.
    Returns: (batch,); their mean is the paper's sum over pairs divided by the batch.
    Edges: the paper learns scale and bias: multiply one view by exp(t) in the model, add the bias
        as one more dimension against a constant 1, and give `normalise=False, scale=1, bias=0`.
    Source: Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training, algorithm 1.

    >>> round(float(SigLIP(scale=1.0, bias=0.0)([[1.0, 0.0]], [[0.0, 1.0]])), 4)
    0.6931

    Args:
        scale: > 0; the paper starts with 10.
        bias: the paper starts with -10, as most pairs are negative.
        normalise: whether cosines are compared; else dot products.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("views",)
    source = "Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training"
    minimum = None
    search = {"scale": Float(1.0, 30.0, log=True), "bias": Float(-15.0, 0.0)}
    variants = ({}, {"scale": 2.0, "bias": -1.0, "normalise": False})

    def __init__(
        self, scale: float = 10.0, bias: float = -10.0, normalise: bool = True, **base: Any
    ) -> None:
        super().__init__(**base)
        self.scale = check_range("SigLIP", "scale", scale, 1e-6)
        self.bias = check_range("SigLIP", "bias", bias, -1e6, 1e6)
        self.normalise = bool(normalise)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        logits = self.scale * dots(x, y, self.normalise) + self.bias
        costs = ops.softplus(ops.where(diagonal(logits), -logits, logits))
        return sum_where(ops.logical_or(both_count(counts), diagonal(logits)), costs)


def dots(x: Any, y: Any, normalise: bool) -> Any:
    return cosine_similarity(x, y) if normalise else ops.matmul(x, ops.transpose(y))


def all_views(x: Any, y: Any, counts: Any, temperature: float) -> tuple[Any, Any, Any]:
    """Of 2 B views: cosines / T (2B, 2B), those of the positives (2B,), and which are negatives."""
    views = unit(ops.concatenate([x, y], axis=0))
    logits = ops.matmul(views, ops.transpose(views)) / temperature
    positive = ops.sum(unit(x) * unit(y), axis=-1) / temperature
    both = both_count(ops.concatenate([counts, counts]))
    same = ops.logical_or(diagonal(logits), partners(counts))
    negative = ops.logical_and(both, ops.logical_not(same))
    return logits, ops.concatenate([positive, positive]), negative


def partners(counts: Any) -> Any:
    """(2B, 2B), True where row and column are the two views of one example."""
    size = ops.shape(counts)[0]
    views = ops.arange(2 * size)
    return ops.equal((views[:, None] + size) % (2 * size), views[None, :])


def halves_mean(values: Any) -> Any:
    """(2B,) of all views -> (B,), the mean of the two of each example."""
    size = ops.shape(values)[0] // 2
    return 0.5 * (values[:size] + values[size:])
