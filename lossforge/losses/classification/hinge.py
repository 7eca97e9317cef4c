"""Margins on scores: hinge, squared hinge, perceptron, and the multiclass margin."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class Hinge(Loss):
    """Scores on the right side of zero by a margin; a score beyond it costs nothing.

        binary, multilabel   loss = mean_c [y_c h(x_c) + (1 - y_c) h(-x_c)]
        multiclass           loss = h(x_t - max_(c != t) x_c)
        h(x) = max(0, margin - x)^power

    `power=2` is the squared hinge, `margin=0` the perceptron, multiclass the categorical hinge.

    Reads: y_pred: (batch, ..., C) scores of any scale; C = 1 is binary. y_true: labels in {0, 1}
        (in {-1, 1} with `signed=True`), or for exclusive classes ids or one-hot.
    Returns: (batch, ...).
    Edges: soft labels weigh the two sides (Keras guesses from the values whether 0 means -1).
    Source: Rosenblatt 1958, The Perceptron; Cortes & Vapnik 1995, Support-Vector Networks;
        multiclass: Crammer & Singer 2001, On the Algorithmic Implementation of Multiclass
        Kernel-based Vector Machines.

    >>> float(Hinge()([[1.0], [0.0]], [[0.5], [-2.0]]))
    0.25

    Args:
        margin: >= 0, in the unit of the scores.
        power: 1, or 2 for the squared hinge; any number >= 1.
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
        signed: whether binary labels are -1 and 1.

    Raises:
        ValueError: for a task that does not exist, or numbers out of range.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Cortes & Vapnik 1995, Support-Vector Networks"
    search = {"margin": Float(0.1, 4.0, log=True), "power": Choice((1.0, 2.0))}
    variants = ({}, {"power": 2.0, "margin": 3.0}, {"margin": 0.0})
    from_logits = True

    def __init__(
        self,
        margin: float = 1.0,
        power: float = 1.0,
        task: str | None = None,
        signed: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.margin = check_range("Hinge", "margin", margin, 0.0)
        self.power = check_range("Hinge", "power", power, 1.0)
        self.task = logp.check_task("Hinge", task)
        self.signed = bool(signed)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if logp.task_of(self.task, y_pred) == "multiclass":
            targets = logp.one_hot_targets(y_true, y_pred)
            target = ops.sum(targets * y_pred, axis=-1)
            others = ops.max(ops.where(targets > 0, -1e30, y_pred), axis=-1)
            return raised(self.margin - target + others, self.power)
        targets = logp.binary_targets(y_true, y_pred)
        targets = 0.5 * (targets + 1.0) if self.signed else targets
        values = targets * raised(self.margin - y_pred, self.power)
        values = values + (1.0 - targets) * raised(self.margin + y_pred, self.power)
        return mean_over_last_axis(values)


class MultiMargin(Loss):
    """The target's score above each other one by a margin; all that fail pay.

        loss = 1 / C sum_(c != t) max(0, margin - x_t + x_c)^power

    Reads: y_true: class ids (batch, ...) or one-hot (batch, ..., C); y_pred: (batch, ..., C)
        scores of any scale.
    Returns: (batch, ...).
    Source: Weston & Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition;
        divided by C as in PyTorch.

    >>> float(MultiMargin()([0], [[1.0, 0.5]]))
    0.25

    Args:
        margin: >= 0, in the unit of the scores.
        power: any number >= 1.
    """

    kinds = ("multiclass",)
    source = "Weston & Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition"
    search = {"margin": Float(0.1, 4.0, log=True), "power": Choice((1.0, 2.0))}
    variants = ({}, {"power": 2.0, "margin": 3.0})
    from_logits = True

    def __init__(self, margin: float = 1.0, power: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("MultiMargin", "margin", margin, 0.0)
        self.power = check_range("MultiMargin", "power", power, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = logp.one_hot_targets(y_true, y_pred)
        target = ops.sum(targets * y_pred, axis=-1, keepdims=True)
        values = (1.0 - targets) * raised(self.margin - target + y_pred, self.power)
        return mean_over_last_axis(values)


def raised(x: Any, power: float) -> Any:
    """max(0, x)^power for power >= 1."""
    x = ops.maximum(x, 0.0)
    return x if power == 1.0 else x * x if power == 2.0 else x**power
