"""A student taught by a teacher's logits."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range
from lossforge.losses.embedding.distances import safe_sqrt
from lossforge.ranges import Choice, Float


class Distillation(Loss):
    """The student's softened probabilities must be the teacher's.

    With t and s the softmax of logits / T, of teacher and student:

        beta = 0        loss = T^2 KL(t || s)          the usual one: cover all that t does
        beta = 1        loss = T^2 KL(s || t)          reverse: keep to what t does most
        in between      loss = T^2 [beta KL(t || m) + (1 - beta) KL(s || m)],
                        m = beta t + (1 - beta) s

    T^2 keeps gradients as large as those of a loss on labels, with which this one is added. The sum
    runs over classes; libraries that average over them have a weight C times smaller.

    Reads: y_true: (batch, ..., C) logits of the teacher; y_pred: (batch, ..., C) of the student.
    Returns: (batch, ...).
    Edges: with `standardise`, logits that are all equal stay 0.
    Source: Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural Network; beta:
        Agarwal et al. 2024, On-Policy Distillation of Language Models, equation 1; standardised
        logits: Sun et al. 2024, Logit Standardization in Knowledge Distillation.

    >>> float(Distillation()([[1.0, 3.0]], [[2.0, 4.0]]))
    0.0

    Args:
        temperature: > 0; softens both.
        beta: in [0, 1], from forward to reverse divergence.
        standardise: whether logits are brought to mean 0 and standard deviation 1 first, so that
            only their order and shape are taught.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("teacher",)
    source = "Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural Network"
    search = {
        "temperature": Float(1.0, 10.0, log=True),
        "beta": Float(0.0, 1.0),
        "standardise": Choice((False, True)),
    }
    variants = (
        {},
        {"temperature": 1.0, "beta": 1.0},
        {"temperature": 2.0, "beta": 0.3},
        {"temperature": 2.0, "standardise": True},
    )

    def __init__(
        self,
        temperature: float = 4.0,
        beta: float = 0.0,
        standardise: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.temperature = check_range("Distillation", "temperature", temperature, 1e-3)
        self.beta = check_range("Distillation", "beta", beta, 0.0, 1.0)
        self.standardise = bool(standardise)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        teacher, student = ops.cast(y_true, y_pred.dtype), y_pred
        if self.standardise:
            teacher, student = standardised(teacher), standardised(student)
        teacher, student = (ops.log_softmax(x / self.temperature) for x in (teacher, student))
        return self.temperature**2 * self._divergence(teacher, student)

    def _divergence(self, teacher: Any, student: Any) -> Any:
        beta = self.beta
        if beta == 0.0:
            return kl(teacher, student)
        if beta == 1.0:
            return kl(student, teacher)
        mixture = log_of_mixture(teacher, student, beta)
        return beta * kl(teacher, mixture) + (1.0 - beta) * kl(student, mixture)


class DecoupledDistillation(Loss):
    """Distillation in two parts, so that a confident teacher still teaches about other classes.

        target part     KL of (t_y, 1 - t_y) from (s_y, 1 - s_y)
        others' part    KL of the softmax over the classes c != y
        loss = T^2 (alpha target part + beta others' part)

    alpha = 1 and beta = 1 - t_y would be Distillation; a constant beta does not fade with the
    teacher's confidence.

    Reads: y_true: (batch, ..., 2, C), a teacher's logits and one-hot labels stacked on the axis
        before the last; y_pred: (batch, ..., C) logits of the student.
    Returns: (batch, ...).
    Source: Zhao et al. 2022, Decoupled Knowledge Distillation, equation 7.

    >>> float(DecoupledDistillation()([[[1.0, 3.0], [0.0, 1.0]]], [[1.0, 3.0]]))
    0.0

    Args:
        alpha: weight >= 0 of the target part.
        beta: weight >= 0 of the others' part; the paper's 8 on CIFAR-100.
        temperature: > 0.

    Raises:
        ValueError: for numbers out of range, or targets of another shape.
    """

    kinds = ("labelled_teacher",)
    source = "Zhao et al. 2022, Decoupled Knowledge Distillation"
    search = {"beta": Float(0.5, 10.0), "temperature": Float(1.0, 10.0, log=True)}
    variants = ({}, {"alpha": 0.5, "beta": 2.0, "temperature": 1.0}, {"beta": 0.0})

    def __init__(
        self, alpha: float = 1.0, beta: float = 8.0, temperature: float = 4.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("DecoupledDistillation", "alpha", alpha, 0.0)
        self.beta = check_range("DecoupledDistillation", "beta", beta, 0.0)
        self.temperature = check_range("DecoupledDistillation", "temperature", temperature, 1e-3)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) != len(y_pred.shape) + 1 or y_true.shape[-2] != 2:
            raise ValueError(
                "DecoupledDistillation reads y_true (batch, 2, C): a teacher's logits and one-hot "
                f"labels; got {tuple(y_true.shape)} with predictions of {tuple(y_pred.shape)}."
            )
        y_true = ops.cast(y_true, y_pred.dtype)
        is_label = y_true[..., 1, :] > 0.5
        teacher, teacher_others = self._parts(y_true[..., 0, :], is_label)
        student, student_others = self._parts(y_pred, is_label)
        target_part = kl(teacher, student)
        others_part = ops.where(is_label, 0.0, ops.exp(teacher_others))
        others_part = ops.sum(others_part * (teacher_others - student_others), axis=-1)
        return self.temperature**2 * (self.alpha * target_part + self.beta * others_part)

    def _parts(self, logits: Any, is_label: Any) -> tuple[Any, Any]:
        """Log probabilities (..., 2) of label and rest, and (..., C) of each among the others."""
        logits = logits / self.temperature
        label = ops.sum(ops.where(is_label, logits, 0.0), axis=-1, keepdims=True)
        top = ops.stop_gradient(ops.max(ops.where(is_label, -1e30, logits), axis=-1, keepdims=True))
        raised = ops.exp(ops.where(is_label, 0.0, logits - top))
        rest = top + ops.log(ops.sum(ops.where(is_label, 0.0, raised), axis=-1, keepdims=True))
        pair = ops.log_softmax(ops.concatenate([label, rest], axis=-1))
        return pair, ops.where(is_label, 0.0, logits - rest)


class DIST(Loss):
    """The student must rank classes, and examples, as the teacher does; sizes are free.

    With t, s the softmax of logits / T, and r Pearson's correlation:

        inter_i = 1 - r over classes (t_i, s_i),   intra = mean over classes of 1 - r over examples
        loss_i = T^2 (beta inter_i + gamma intra)

    Reads: y_true: (batch, C) logits of the teacher; y_pred: (batch, C) of the student.
    Returns: (batch,).
    Edges: what does not vary has correlation 0, as with one example in the batch.
    Source: Huang et al. 2022, Knowledge Distillation from A Stronger Teacher, equations 6 to 10;
        T^2 as in the authors' code.

    >>> round(float(DIST(gamma=0.0)([[1.0, 3.0, 2.0]], [[1.0, 3.0, 2.0]])), 5)
    0.0

    Args:
        beta: weight >= 0 of the relation between classes.
        gamma: weight >= 0 of the relation between examples.
        temperature: > 0; the paper's 1, or 4 on CIFAR-100.

    Raises:
        ValueError: for numbers out of range.
    """

    batch_coupled = True
    kinds = ("teacher",)
    source = "Huang et al. 2022, Knowledge Distillation from A Stronger Teacher"
    search = {"temperature": Float(1.0, 8.0, log=True), "gamma": Float(0.0, 4.0)}
    variants = ({}, {"beta": 0.5, "gamma": 2.0, "temperature": 4.0}, {"gamma": 0.0})

    def __init__(
        self, beta: float = 1.0, gamma: float = 1.0, temperature: float = 1.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.beta = check_range("DIST", "beta", beta, 0.0)
        self.gamma = check_range("DIST", "gamma", gamma, 0.0)
        self.temperature = check_range("DIST", "temperature", temperature, 1e-3)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        teacher, student = (
            ops.softmax(ops.cast(x, y_pred.dtype) / self.temperature) for x in (y_true, y_pred)
        )
        inter = 1.0 - correlation(teacher, student, -1, ops.ones_like(student))
        counted = ops.cast(align(counts, student), student.dtype) * ops.ones_like(student)
        intra = 1.0 - correlation(teacher, student, 0, counted)
        intra = ops.sum(intra) / student.shape[-1]
        return self.temperature**2 * (self.beta * inter + self.gamma * intra)


def kl(log_p: Any, log_q: Any) -> Any:
    """sum p (log p - log q) over the last axis."""
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def log_of_mixture(log_p: Any, log_q: Any, share: float) -> Any:
    """log(share p + (1 - share) q). Keras's `logaddexp` computes float64 in float32 on JAX."""
    log_p, log_q = log_p + math.log(share), log_q + math.log1p(-share)
    return log_p + ops.softplus(log_q - log_p)


def standardised(x: Any) -> Any:
    """Mean 0 and standard deviation 1 over the last axis; what is constant becomes 0."""
    x = x - ops.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    size = ops.stop_gradient(ops.max(ops.abs(x), axis=-1, keepdims=True))
    x = x / ops.where(size > 0.0, size, 1.0)
    deviation = safe_sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) / x.shape[-1])
    return x / ops.where(ops.equal(deviation, 0.0), 1.0, deviation)


def correlation(x: Any, y: Any, axis: int, weight: Any) -> Any:
    """Pearson's, of what has weight 1; 0 where either does not vary."""
    number = ops.maximum(ops.sum(weight, axis=axis, keepdims=True), 1.0)
    x, y = (weight * (v - ops.sum(weight * v, axis=axis, keepdims=True) / number) for v in (x, y))
    squares = (ops.sum(v * v, axis=axis, keepdims=True) for v in (x, y))
    deviations = [safe_sqrt(v) for v in squares]
    x, y = (v / ops.where(d > 1e-12, d, 1e12) for v, d in zip((x, y), deviations, strict=True))
    return ops.sum(x * y, axis=axis)
