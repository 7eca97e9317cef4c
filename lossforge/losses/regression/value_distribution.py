"""Distributions over ordered bins: the earth mover's distance, and C51's categorical values."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification.log_probabilities import log_softmax, one_hot_targets
from lossforge.ranges import Choice, Float


class EMD(Loss):
    """Distance between cumulative distributions: probability costs by how far it must move.

        D_k = sum_{j <= k} (p_j - y_true_j)
        loss = mean_k |D_k|^power,   with root: its power-th root

    Reads: y_true: (batch, ..., K) shares of ordered bins, or (batch, ...) ranks; y_pred:
        (batch, ..., K) probabilities or logits.
    Returns: (batch, ...), in [0, 1].
    Edges: the last D is 0, both sides being distributions, and left out. The root has slope 0 where
        the two are equal.
    Source: Hou, Yu and Samaras 2016, Squared Earth Mover's Distance-based Loss for Training Deep
        Neural Networks (power 2, no root, a sum in place of the mean); Talebi and Milanfar 2018,
        NIMA: Neural Image Assessment (with root).

    >>> float(EMD()([0], [[0.0, 0.0, 0.0, 1.0]]))
    0.75

    Args:
        power: >= 1; 2 in both papers.
        root: take the root.
        from_logits: predictions are logits.
    """

    kinds = ("histogram", "multiclass")
    source = "Hou, Yu and Samaras 2016, Squared Earth Mover's Distance-based Loss"
    search = {"power": Float(1.0, 3.0), "root": Choice((False, True))}
    variants = (
        {},
        {"power": 1.0},
        {"root": True, "from_logits": True},
        {"power": 2.5, "root": True},
    )

    def __init__(
        self, power: float = 2.0, root: bool = False, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.power = check_range("EMD", "power", power, 1.0)
        self.root = bool(root)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = one_hot_targets(y_true, y_pred)
        p = ops.softmax(y_pred, axis=-1) if self.from_logits else y_pred
        moved = ops.abs(ops.cumsum(p - y_true, axis=-1)[..., :-1])
        if self.power != 1.0:
            moved = moved**self.power
        cost = ops.sum(moved, axis=-1) / y_pred.shape[-1]
        if not self.root or self.power == 1.0:
            return cost
        none = cost < 1e-30
        return ops.where(none, 0.0 * cost, ops.where(none, 1.0, cost) ** (1.0 / self.power))


class C51(Loss):
    """Cross-entropy to a target distribution of values, projected onto fixed atoms.

        z = A atoms evenly from v_min to v_max, a step apart
        m_k = sum_n P_n max(1 - |clip(target_n, v_min, v_max) - z_k| / step, 0)
        loss = -sum_k m_k log p_k

    Reads: y_true: (batch, 2, N), target values (such as reward + discount z) and their
        probabilities; y_pred: (batch, A) probabilities or logits of the atoms.
    Returns: (batch,); its minimum is the entropy of the projected target.
    Edges: one target value of probability 1 is 'two-hot' regression.
    Source: Bellemare, Dabney and Munos 2017, A Distributional Perspective on Reinforcement
        Learning, equation 7 and algorithm 1.

    >>> round(float(C51(from_logits=True)([[[5.0], [1.0]]], [[0.0] * 51])), 4)
    3.9318

    Args:
        v_min: value of the first atom; the paper's -10.
        v_max: value of the last atom, above v_min; the paper's 10.
        from_logits: predictions are logits.
    """

    kinds = ("value_distribution",)
    source = "Bellemare, Dabney and Munos 2017, A Distributional Perspective on RL"
    minimum = None
    variants = ({}, {"from_logits": True}, {"v_min": -10.5, "v_max": 10.25})

    def __init__(
        self, v_min: float = -10.0, v_max: float = 10.0, from_logits: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.v_min = check_range("C51", "v_min", v_min, -1e9, 1e9)
        self.v_max = check_range("C51", "v_max", v_max, -1e9, 1e9)
        if self.v_min >= self.v_max:
            raise ValueError(f"C51: v_min={v_min!r} must be below v_max={v_max!r}.")
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_p = log_softmax(y_pred, self.from_logits)
        return -ops.sum(self._project(ops.cast(y_true, y_pred.dtype), y_pred) * log_p, axis=-1)

    def _project(self, y_true: Any, y_pred: Any) -> Any:
        number = y_pred.shape[-1]
        value, probability = y_true[..., 0, :], y_true[..., 1, :]
        step = (self.v_max - self.v_min) / (number - 1)
        at = (ops.clip(value, self.v_min, self.v_max) - self.v_min) / step
        away = ops.abs(ops.expand_dims(at, -1) - ops.cast(ops.arange(number), y_pred.dtype))
        shares = ops.maximum(1.0 - away, 0.0)
        return ops.einsum("...n,...nk->...k", probability, shares)
