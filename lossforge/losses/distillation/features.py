"""A student taught by a teacher's feature maps, one example at a time.

For maps of the same shape that are to be equal (FitNets), take MeanSquaredError.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.distillation.logits import kl
from lossforge.losses.embedding.distances import unit
from lossforge.ranges import Choice, Float


class AttentionTransfer(Loss):
    """The student must look where the teacher looks; channels are free.

        a = sum over channels of |f|^power, as a vector of places of length 1
        loss = mean over places (a_t - a_s)^2

    Reads: y_true: (batch, *spatial, C) features of the teacher; y_pred: (batch, *spatial, C') of
        the student; the channels need not match.
    Returns: (batch,).
    Edges: features that are all 0 have an attention of 0. The mean of squares is that of the
        authors' code; the paper writes the root of the sum.
    Source: Zagoruyko and Komodakis 2017, Paying More Attention to Attention, equation 2.

    >>> float(AttentionTransfer()([[[1.0], [0.0]]], [[[3.0], [0.0]]]))
    0.0

    Args:
        power: 1 or more; the more, the more the strongest channel counts.

    Raises:
        ValueError: for a power below 1, or maps of other sizes.
    """

    kinds = ("teacher_features",)
    source = "Zagoruyko and Komodakis 2017, Paying More Attention to Attention"
    search = {"power": Float(1.0, 4.0)}
    variants = ({}, {"power": 1.0}, {"power": 3.0})

    def __init__(self, power: float = 2.0, **base: Any) -> None:
        super().__init__(**base)
        self.power = check_range("AttentionTransfer", "power", power, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        teacher, student = same_places("AttentionTransfer", y_true, y_pred)
        gap = unit(self._attention(teacher)) - unit(self._attention(student))
        return ops.sum(ops.square(gap), axis=-1) / ops.cast(ops.shape(gap)[1], gap.dtype)

    def _attention(self, x: Any) -> Any:
        x = ops.abs(x)
        if self.power == 2.0:
            return ops.sum(ops.square(x), axis=-1)
        some = ops.logical_not(x <= 0.0)
        return ops.sum(ops.where(some, ops.power(ops.where(some, x, 1.0), self.power), 0.0), -1)


class NeuronSelectivity(Loss):
    """Channels of the student must be active in the patterns of the teacher's, in any order.

        loss = mean_ij k(t_i, t_j) + mean_ij k(s_i, s_j) - 2 mean_ij k(t_i, s_j)

    the squared maximum mean discrepancy between channels, as vectors of places of length 1, under
    k(x, y) = (x . y)^2 or x . y.

    Reads: y_true: (batch, *spatial, C) features of the teacher; y_pred: (batch, *spatial, C') of
        the student; the channels need not match.
    Returns: (batch,).
    Edges: a channel that is 0 everywhere has a pattern of 0. Memory grows with C^2.
    Source: Huang and Wang 2017, Like What You Like: Knowledge Distill via Neuron Selectivity
        Transfer, equation 7.

    >>> float(NeuronSelectivity()([[[1.0, 0.0], [0.0, 1.0]]], [[[0.0, 2.0], [2.0, 0.0]]]))
    0.0

    Args:
        kernel: "polynomial", the square, or "linear".

    Raises:
        ValueError: for a kernel that does not exist, or maps of other sizes.
    """

    kinds = ("teacher_features",)
    source = "Huang and Wang 2017, Like What You Like: Neuron Selectivity Transfer"
    memory = "O(B C^2)"
    search = {"kernel": Choice(("polynomial", "linear"))}
    variants = ({}, {"kernel": "linear"})

    def __init__(self, kernel: str = "polynomial", **base: Any) -> None:
        super().__init__(**base)
        if kernel not in ("polynomial", "linear"):
            raise ValueError(
                f"NeuronSelectivity: kernel must be 'polynomial' or 'linear', got {kernel!r}."
            )
        self.kernel = kernel

    def call(self, y_true: Any, y_pred: Any) -> Any:
        maps = same_places("NeuronSelectivity", y_true, y_pred)
        teacher, student = (unit(ops.transpose(x, (0, 2, 1))) for x in maps)
        cross = self._mean(teacher, student)
        return self._mean(teacher, teacher) + self._mean(student, student) - 2.0 * cross

    def _mean(self, x: Any, y: Any) -> Any:
        dots = ops.matmul(x, ops.transpose(y, (0, 2, 1)))
        dots = ops.square(dots) if self.kernel == "polynomial" else dots
        return ops.sum(dots, axis=(1, 2)) / (x.shape[1] * y.shape[1])


class ActivationBoundary(Loss):
    """Neurons of the student must be on or off as the teacher's are, by a margin.

        loss = mean of  max(0, margin - s)^2  where t > 0,   max(0, margin + s)^2  elsewhere

    Reads: y_true, y_pred: (batch, ..., C), features of teacher and student before the activation.
    Returns: (batch,), the mean over places and channels; the authors' code sums.
    Edges: equal features cost something where they are within the margin.
    Source: Heo et al. 2019, Knowledge Transfer via Distillation of Activation Boundaries Formed by
        Hidden Neurons, equation 6.

    >>> float(ActivationBoundary()([[0.1, -0.1]], [[2.0, 0.0]]))
    0.5

    Args:
        margin: > 0.

    Raises:
        ValueError: for a margin out of range.
    """

    kinds = ("teacher_features",)
    source = "Heo et al. 2019, Knowledge Transfer via Distillation of Activation Boundaries"
    minimum = None
    search = {"margin": Float(0.1, 2.0)}
    variants = ({}, {"margin": 0.3})

    def __init__(self, margin: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("ActivationBoundary", "margin", margin, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        on = ops.where(ops.cast(y_true, y_pred.dtype) > 0.0, 1.0, -1.0)
        cost = ops.square(ops.relu(self.margin - ops.cast(on, y_pred.dtype) * y_pred))
        flat = rows(cost)
        return ops.sum(flat, axis=-1) / ops.cast(ops.shape(flat)[1], flat.dtype)


class FactorTransfer(Loss):
    """Features must point the same way; their size is free.

        loss = mean |t / |t| - s / |s||^power        each example as one long vector

    In the paper t and s come from a paraphraser of the teacher and a translator of the student,
    two small networks: put them before this loss.

    Reads: y_true, y_pred: (batch, ...), factors of teacher and student.
    Returns: (batch,), the mean over the elements.
    Edges: features that are all 0 have a direction of 0.
    Source: Kim, Park and Kwak 2018, Paraphrasing Complex Network: Network Compression via Factor
        Transfer, equation 3.

    >>> float(FactorTransfer()([[3.0, 4.0]], [[6.0, 8.0]]))
    0.0

    Args:
        power: 1 or 2.

    Raises:
        ValueError: for another power.
    """

    kinds = ("teacher_features",)
    source = "Kim, Park and Kwak 2018, Paraphrasing Complex Network"
    search = {"power": Choice((1, 2))}
    variants = ({}, {"power": 2})

    def __init__(self, power: int = 1, **base: Any) -> None:
        super().__init__(**base)
        if power not in (1, 2):
            raise ValueError(f"FactorTransfer: power must be 1 or 2, got {power!r}.")
        self.power = int(power)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        gap = unit(rows(ops.cast(y_true, y_pred.dtype))) - unit(rows(y_pred))
        cost = ops.abs(gap) if self.power == 1 else ops.square(gap)
        return ops.sum(cost, axis=-1) / ops.cast(ops.shape(gap)[1], gap.dtype)


class ChannelWiseDistillation(Loss):
    """Each channel must be active at the teacher's places: for dense prediction.

        loss = T^2 mean over channels of KL(t || s),   t, s: softmax over places of f / T

    Reads: y_true, y_pred: (batch, *spatial, C), features or logits of teacher and student.
    Returns: (batch,).
    Source: Shu et al. 2021, Channel-wise Knowledge Distillation for Dense Prediction, equations 4
        and 5.

    >>> float(ChannelWiseDistillation()([[[1.0], [0.0]]], [[[2.0], [1.0]]]))
    0.0

    Args:
        temperature: > 0; the paper's 4 for logits, 1 for features.

    Raises:
        ValueError: for a temperature out of range, or maps of other sizes.
    """

    kinds = ("teacher_features",)
    source = "Shu et al. 2021, Channel-wise Knowledge Distillation for Dense Prediction"
    search = {"temperature": Float(0.5, 8.0, log=True)}
    variants = ({}, {"temperature": 1.0})

    def __init__(self, temperature: float = 4.0, **base: Any) -> None:
        super().__init__(**base)
        own = "ChannelWiseDistillation"
        self.temperature = check_range(own, "temperature", temperature, 1e-3)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        maps = same_places("ChannelWiseDistillation", y_true, y_pred)
        teacher, student = (
            ops.log_softmax(ops.transpose(x, (0, 2, 1)) / self.temperature) for x in maps
        )
        values = kl(teacher, student)
        return self.temperature**2 * ops.sum(values, axis=-1) / values.shape[-1]


def rows(x: Any) -> Any:
    """(batch, ...) -> (batch, D)."""
    return ops.reshape(x, (ops.shape(x)[0], -1))


def same_places(loss: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as (batch, places, C), or a ValueError."""
    if len(y_pred.shape) < 3 or tuple(y_true.shape[1:-1]) != tuple(y_pred.shape[1:-1]):
        raise ValueError(
            f"{loss} reads maps (batch, *spatial, C) of one size, got y_true "
            f"{tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}; resize one of them."
        )
    maps = (ops.cast(y_true, y_pred.dtype), y_pred)
    teacher, student = (ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1])) for x in maps)
    return teacher, student
