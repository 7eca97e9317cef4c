"""Cross-entropy with everything that practice asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Float


class CrossEntropy(Loss):
    """The negative log-likelihood of labels: binary, multiclass or multilabel.

        multiclass            loss = -sum_c w_c y_c log p_c
        binary, multilabel    loss = -mean_c w_c (pos_weight y_c log p_c + (1 - y_c) log(1 - p_c))

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; C = 1 is
        binary. y_true: class ids (batch, ...) or (batch, ..., 1), or one-hot and soft labels
        (batch, ..., C); for binary (batch, ...) or (batch, ..., 1) in [0, 1].
    Returns: (batch, ...).
    Edges: probabilities below 1e-7 follow the tangent of the logarithm there; logits are exact.
    Source: Good 1952, Rational Decisions; label smoothing: Szegedy et al. 2016, Rethinking the
        Inception Architecture for Computer Vision.

    >>> float(CrossEntropy()([1, 0], [[0.0, 1.0], [1.0, 0.0]]))
    0.0

    Args:
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
            A model of C independent sigmoids needs `task="multilabel"`.
        from_logits: whether predictions are logits.
        class_weight: a factor for each class, C numbers; two (negative, positive) for binary. The
            mean is over examples, not over weights.
        pos_weight: factor of the positive part (binary, multilabel), a number or one per class.
        ignore_class: label that does not count; in multilabel targets, element by element.
        label_smoothing: in [0, 1]; targets become `y (1 - s) + s / C`, with C = 2 for sigmoids.

    Raises:
        ValueError: for a task that does not exist, or numbers out of range.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Good 1952, Rational Decisions"
    minimum = None
    search = {"label_smoothing": Float(0.0, 0.2)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "label_smoothing": 0.1},
        {"from_logits": True, "ignore_class": -1},
    )

    def __init__(
        self,
        task: str | None = None,
        from_logits: bool = False,
        class_weight: Sequence[float] | None = None,
        pos_weight: float | Sequence[float] | None = None,
        ignore_class: int | None = None,
        label_smoothing: float = 0.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.task = logp.check_task("CrossEntropy", task)
        self.from_logits = bool(from_logits)
        self.class_weight = None if class_weight is None else tuple(map(float, class_weight))
        self.pos_weight = pos_weight
        self.ignore_class = ignore_class
        self.label_smoothing = check_range(
            "CrossEntropy", "label_smoothing", label_smoothing, 0.0, 1.0
        )
        weights = [*(self.class_weight or ()), *_numbers(pos_weight)]
        if any(not 0 <= w < float("inf") for w in weights):
            raise ValueError(f"CrossEntropy: weights must be finite and >= 0, got {weights}.")

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        if self.ignore_class is None:
            return None
        if logp.task_of(self.task, y_pred) == "multiclass":
            if not logp.is_class_ids(y_true, y_pred):
                return None
            return ops.not_equal(logp.class_ids(y_true, y_pred), self.ignore_class)
        labels = logp.binary_targets(y_true, y_pred)
        return ops.any(ops.not_equal(labels, self.ignore_class), axis=-1)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            return self._exclusive(y_true, y_pred)
        return self._independent(y_true, y_pred)

    def _exclusive(self, y_true: Any, y_pred: Any) -> Any:
        if logp.is_class_ids(y_true, y_pred) and not self.label_smoothing:
            ids = logp.class_ids(y_true, y_pred)
            values = -logp.log_probability_of(ids, y_pred, self.from_logits)
            if self.class_weight is not None:
                values = values * ops.take(self._class_weight(y_pred), ids)
            return values
        log_p = logp.log_softmax(y_pred, self.from_logits)
        targets = logp.one_hot_targets(y_true, y_pred)
        s = self.label_smoothing
        targets = targets * (1.0 - s) + s / y_pred.shape[-1]
        return -ops.sum(targets * log_p * self._class_weight(log_p), axis=-1)

    def _independent(self, y_true: Any, y_pred: Any) -> Any:
        labels = logp.binary_targets(y_true, y_pred)
        counts = ops.ones_like(labels)
        if self.ignore_class is not None:
            counts = ops.cast(ops.not_equal(labels, self.ignore_class), labels.dtype)
            labels = labels * counts
        targets = labels * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        log_p, log_q = logp.log_sigmoid(y_pred, self.from_logits)
        positive = 1.0 if self.pos_weight is None else ops.cast(self.pos_weight, log_p.dtype)
        values = -(positive * targets * log_p + (1.0 - targets) * log_q)
        if self.class_weight is not None and y_pred.shape[-1] == 1:
            negative_weight, positive_weight = self.class_weight
            values = values * (labels * positive_weight + (1.0 - labels) * negative_weight)
        elif self.class_weight is not None:
            values = values * self._class_weight(log_p)
        return ops.divide_no_nan(ops.sum(values * counts, axis=-1), ops.sum(counts, axis=-1))

    def _class_weight(self, like: Any) -> Any:
        weight = self.class_weight or (1.0,)
        if len(weight) not in (1, like.shape[-1]):
            raise ValueError(
                f"CrossEntropy: class_weight has {len(weight)} numbers, "
                f"but the predictions have {like.shape[-1]} classes."
            )
        return ops.convert_to_tensor(weight, dtype=like.dtype)


def _numbers(value: float | Sequence[float] | None) -> tuple[float, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int | float) else tuple(value)
