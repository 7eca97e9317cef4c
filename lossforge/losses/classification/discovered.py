"""Classification losses that were found by search, each with its quirks on the label."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.safe_operators import in_own_dtype
from lossforge.ranges import Choice, Float


class SearchSoftmax(Loss):
    """Cross-entropy of a probability bent down: errors weigh more, certainty less.

        loss = -log(p / (a p + 1 - a)) = -log p + log(1 - a (1 - p)),   p of the target, a <= 0

    Reads: y_true: class ids (batch, ...) or one-hot (batch, ..., C); y_pred: (batch, ..., C)
        probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...); a = 0 is cross-entropy, the optimum is p = 1 for any a.
    Edges: proper only in the sense of the right class: probabilities are overconfident for a < 0.
    Source: Wang et al. 2020, Loss Function Search for Face Recognition, equations 5 and 6.

    >>> round(float(SearchSoftmax(a=-1.0)([0], [[0.5, 0.5]])), 4)
    1.0986

    Args:
        a: <= 0; the search draws it anew as training goes on.
        from_logits: whether predictions are logits (with a margin or not, as in the paper).
    """

    kinds = ("multiclass",)
    source = "Wang et al. 2020, Loss Function Search for Face Recognition"
    search = {"a": Float(-100.0, 0.0)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "a": -20.0}, {"a": 0.0})

    def __init__(self, a: float = -1.0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(a, int | float) or not -math.inf < a <= 0.0:
            raise ValueError(f"SearchSoftmax: a must be a finite number of at most 0, got {a!r}.")
        self.a = float(a)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p, log_q = of_target(y_true, y_pred, self.from_logits)
        return ops.log1p(-self.a * ops.exp(log_q)) - log_p


class Baikal(Loss):
    """The first evolved loss: cross-entropy over all classes, plus the inverse of the target's p.

        loss = -1 / C sum_c (log p_c - y_c / p_c)

    Reads: y_true: class ids (batch, ...), one-hot or soft labels (batch, ..., C); y_pred:
        (batch, ..., C) probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...).
    Edges: not calibrated: least at p = 1 / sqrt(C) for the target, the rest spread evenly. 1 / p
        is continued by its tangent in log p below 1e-7.
    Source: Gonzalez & Miikkulainen 2020, Improved Training Speed, Accuracy, and Data Utilization
        Through Loss Function Optimization, equation 1.

    >>> round(float(Baikal()([0], [[0.5, 0.5]])), 4)
    1.6931

    Args:
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Gonzalez & Miikkulainen 2020, Improved Training Speed, Accuracy, and Data Utilization"
    minimum = None
    label_smoothing: ClassVar[str] = "like smoothed labels: the optimum is p = 1 / sqrt(C)"
    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.one_hot_targets(y_true, y_pred)
        log_p = logp.log_softmax(y_pred, self.from_logits)
        steep = -math.log(logp.SMALLEST_PROBABILITY)
        near = ops.minimum(-log_p, steep)
        inverse = ops.exp(near) * (1.0 + ops.maximum(-log_p - steep, 0.0))
        return mean_over_last_axis(targets * inverse - log_p)


class NGL(Loss):
    """An evolved loss of bounded value: gentle with labels that may be wrong.

        loss = mean_c [exp(2.4092 - p_c - p_c y_c) - cos(cos(sin p_c))]

    Reads: y_true: class ids (batch, ...), one-hot or soft labels (batch, ..., C); y_pred:
        (batch, ..., C) probabilities, or logits with `from_logits=True` (softmax).
    Returns: (batch, ...).
    Edges: not calibrated: least at p = 0.57, 0.39, 0.36 of the target for 2, 10, 100 classes.
    Source: Akhmedova & Körber 2024, Next Generation Loss Function for Image Classification.

    >>> round(float(NGL()([0], [[0.5, 0.5]])), 4)
    4.7886

    Args:
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Akhmedova & Körber 2024, Next Generation Loss Function for Image Classification"
    minimum = None
    label_smoothing: ClassVar[str] = "like smoothed labels: the optimum is below p = 1"
    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.one_hot_targets(y_true, y_pred)
        p = ops.exp(logp.log_softmax(y_pred, self.from_logits))
        bend = in_own_dtype("cos", in_own_dtype("cos", in_own_dtype("sin", p)))
        return mean_over_last_axis(ops.exp(2.4092 - p - p * targets) - bend)


class SparseLSR(Loss):
    """Label smoothing that reads the target's probability alone, found by meta-learning.

        loss = -(1 - s + s / C) log p - s (C - 1) / C log((1 - p) / (C - 1)),   p of the target

    The other classes are taken as if they shared 1 - p evenly, so no class but the target needs a
    loss of its own.

    Reads: y_true: class ids (batch, ...) or one-hot (batch, ..., C); y_pred: (batch, ..., C)
        probabilities, or logits with `from_logits=True`.
    Returns: (batch, ...).
    Edges: least at p = 1 - s + s / C, like label smoothing. The published code has the second
        sign turned, for which there is no such optimum; this is the formula as derived.
    Source: Raymond et al. 2023, Learning Symbolic Model-Agnostic Loss Functions via Meta-Learning,
        section on sparse label smoothing.

    >>> round(float(SparseLSR(label_smoothing=0.0)([0], [[0.5, 0.5]])), 4)
    0.6931

    Args:
        label_smoothing: s, in [0, 1].
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Raymond et al. 2023, Learning Symbolic Model-Agnostic Loss Functions"
    search = {"label_smoothing": Float(0.0, 0.4)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "label_smoothing": 0.0},
        {"label_smoothing": 0.3},
    )

    def __init__(
        self, label_smoothing: float = 0.1, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.label_smoothing = check_range(
            "SparseLSR", "label_smoothing", label_smoothing, 0.0, 1.0
        )
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        classes, s = y_pred.shape[-1], self.label_smoothing
        log_p, log_q = of_target(y_true, y_pred, self.from_logits)
        if not s:
            return -log_p
        others = s * (classes - 1) / classes * (log_q - math.log(max(classes - 1, 1)))
        return -(1.0 - s + s / classes) * log_p - others


class CSEClassificationA(Loss):
    """Cross-entropy weighted by the overlap of the box that carries the label.

        loss = -sum_c (1 + sin w_c) y_c log p_c,   w the overlap, held constant

    Reads: y_true: (batch, ..., C), w in (0, 1] at the label (1 at a background class), else 0;
        y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True` (softmax).
    Returns: (batch, ...); 0 for a row without a label.
    Source: Liu et al. 2021, Loss Function Discovery for Object Detection via Convergence-Simulation
        Driven Search, the two-stage loss CSE-Autoloss-A.

    >>> round(float(CSEClassificationA()([[1.0, 0.0]], [[0.5, 0.5]])), 4)
    1.2764

    Args:
        from_logits: whether predictions are logits.
    """

    kinds = ("class_quality",)
    source = "Liu et al. 2021, Loss Function Discovery for Object Detection"
    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        w = ops.cast(y_true, y_pred.dtype)
        weight = ops.where(w > 0, 1.0 + in_own_dtype("sin", w), 0.0)
        return -ops.sum(weight * logp.log_softmax(y_pred, self.from_logits), axis=-1)


class CSEClassificationB(Loss):
    """Focal-like loss against a quality, with two searched sigmoids.

        s(x) = (1 + 4 / pi atan(tanh(pi x / 8))) / 2,   e = (1 + erf(sqrt(pi) / 8)) / 2
        q > 0    loss = -alpha [(1 + e) q log p + (s(x) - q) (p - q) log(1 - p)]
        q = 0    loss = -(1 - alpha) s(x) p log(1 - p)                    mean over classes

    Reads: y_true: (batch, ..., C) qualities in [0, 1], 0 for the other classes; y_pred:
        (batch, ..., C) probabilities, or logits x with `from_logits=True`.
    Returns: (batch, ...), the mean over classes.
    Edges: for q < 1 it is least above p = q, as far as the first term pulls.
    Source: Liu et al. 2021, Loss Function Discovery for Object Detection via Convergence-Simulation
        Driven Search, the one-stage loss CSE-Autoloss-B.

    >>> float(CSEClassificationB()([[1.0, 0.0]], [[1.0, 0.0]]))
    0.0

    Args:
        alpha: weight in [0, 1] of positives against `1 - alpha` of negatives; the paper's 0.25.
        from_logits: whether predictions are logits.
    """

    kinds = ("quality", "multilabel", "binary")
    source = "Liu et al. 2021, Loss Function Discovery for Object Detection"
    minimum = None
    label_smoothing: ClassVar[str] = "like smoothed labels: the optimum is not at the quality"
    search = {"alpha": Float(0.1, 0.9)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "alpha": 0.6})

    def __init__(self, alpha: float = 0.25, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.alpha = check_range("CSEClassificationB", "alpha", alpha, 0.0, 1.0)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        q = logp.binary_targets(y_true, y_pred)
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        x, p = log_p - log_q, ops.exp(log_p)
        angle = in_own_dtype("arctan", in_own_dtype("tanh", math.pi / 8.0 * x))
        gudermann = 0.5 + 2.0 / math.pi * angle
        first = 1.0 + 0.5 * (1.0 + math.erf(math.sqrt(math.pi) / 8.0))
        values = -(first * q * log_p + (gudermann - q) * (p - q) * log_q)
        positive = ops.cast(q > 0, values.dtype)
        weight = self.alpha * positive + (1.0 - self.alpha) * (1.0 - positive)
        return mean_over_last_axis(weight * values)


class AutoLossGen(Loss):
    """Ratios of label and prediction, found for recommenders that predict a click.

        ratio      loss = max((y + s) / (p + s), (p + s) / (y + s))
        product    loss = (y + p + s) / (y p + s)                        mean over classes

    Reads: y_true: (batch, ..., C) in {0, 1}; y_pred: (batch, ..., C) probabilities, or logits with
        `from_logits=True`; C = 1 is binary.
    Returns: (batch, ...), at least 1.
    Edges: the slope at y = 0 is 1 / s: a small s makes negatives dominate.
    Source: Li et al. 2022, AutoLossGen: Automatic Loss Function Generation for Recommender Systems.

    >>> float(AutoLossGen()([[1.0]], [[1.0]]))
    1.0

    Args:
        form: "ratio" or "product".
        smooth: s > 0; none is universal, so it is worth searching.
        from_logits: whether predictions are logits.
    """

    kinds = ("binary", "multilabel")
    source = "Li et al. 2022, AutoLossGen"
    minimum = None
    search = {"form": Choice(("ratio", "product")), "smooth": Float(0.01, 2.0, log=True)}
    variants = (
        {},
        {"from_logits": True},
        {"form": "product"},
        {"form": "product", "from_logits": True, "smooth": 0.5},
    )

    def __init__(
        self, form: str = "ratio", smooth: float = 0.1, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        if form not in ("ratio", "product"):
            raise ValueError(f"AutoLossGen: form must be 'ratio' or 'product', got {form!r}.")
        self.form = form
        self.smooth = check_range("AutoLossGen", "smooth", smooth, 1e-6)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y, s = logp.binary_targets(y_true, y_pred), self.smooth
        p = ops.exp(logp.log_sigmoid(y_pred, self.from_logits)[0])
        if self.form == "product":
            return mean_over_last_axis((y + p + s) / (y * p + s))
        ratio = (y + s) / (p + s)
        return mean_over_last_axis(ops.maximum(ratio, (p + s) / (y + s)))


class InverseRoot(Loss):
    """A bounded loss that a symbolic search found under wrong labels.

        loss = sum_c 1 / sqrt(1 + (1 + y_c - p_c / sqrt 2)^2)

    Its slope is nearly the same for every p, as that of the mean absolute error, with a little
    more pull where the prediction is near the label.

    Reads: y_true: class ids (batch, ...), one-hot or soft labels (batch, ..., C); y_pred:
        (batch, ..., C) probabilities, or logits with `from_logits=True` (softmax).
    Returns: (batch, ...).
    Edges: for exclusive classes only: each term by itself grows with p, whatever y.
    Source: lossforge's symbolic search on digits with 40 % wrong labels, 2026.

    >>> round(float(InverseRoot()([0], [[1.0, 0.0]])), 3)
    1.319

    Args:
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "lossforge's symbolic search on digits with 40 % wrong labels, 2026"
    minimum = None
    variants = ({}, {"from_logits": True})

    def __init__(self, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.one_hot_targets(y_true, y_pred)
        p = ops.exp(logp.log_softmax(y_pred, self.from_logits))
        root = ops.sqrt(1.0 + ops.square(1.0 + targets - p / math.sqrt(2.0)))
        return ops.sum(1.0 / root, axis=-1)


def of_target(y_true: Any, y_pred: Any, from_logits: bool) -> tuple[Any, Any]:
    """log p of the target and log of what all others share, each exact where it is small."""
    target = logp.one_hot_targets(y_true, y_pred) > 0.5
    if from_logits:
        every = ops.logsumexp(y_pred, axis=-1)
        others = ops.logsumexp(ops.where(target, -1e30, y_pred), axis=-1)
        return ops.sum(ops.where(target, y_pred, 0.0), axis=-1) - every, others - every
    every = logp.safe_log(ops.sum(y_pred, axis=-1))
    of = lambda here: logp.safe_log(ops.sum(ops.where(here, y_pred, 0.0), axis=-1))  # noqa: E731
    return of(target) - every, of(ops.logical_not(target)) - every
