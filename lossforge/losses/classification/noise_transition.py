"""Cross-entropy corrected by how often each class is mislabelled as each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.losses.base import Loss, align, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float

NEVER = -1e30
"""The logarithm of a probability 0, finite so that its gradient is 0 and not NaN."""


class NoiseTransition(Loss):
    """Learns the clean classes from noisy labels, given the noise.

        T_ij       the probability that class i is labelled j
        forward    loss = -sum_j y_j log sum_i T_ij p_i
        backward   loss = -sum_j y_j sum_i (T^-1)_ji log p_i

    Forward predicts the noisy label, and is a proper loss. Backward is unbiased, the clean loss in
    expectation, but without a lower bound: a confident prediction of another class can cost less
    than 0.

    Reads: y_pred: (batch, ..., C) probabilities of the clean classes, or logits with
        `from_logits=True`; y_true: noisy class ids (batch, ...), one-hot or soft (batch, ..., C).
    Returns: (batch, ...).
    Edges: T = identity is cross-entropy; a label that T calls impossible costs 1e30.
    Source: Patrini et al. 2017, Making Deep Neural Networks Robust to Label Noise: a Loss
        Correction Approach, theorems 1 and 2.

    >>> loss = NoiseTransition([[0.8, 0.2], [0.2, 0.8]])
    >>> round(float(loss([0], [[1.0, 0.0]])), 4)  # -log 0.8
    0.2231

    Args:
        transition: T, C rows of C numbers in [0, 1] that sum to 1.
        mode: "forward" or "backward".
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a matrix that is not square, whose rows are no probabilities, or, with
            "backward", that has no usable inverse (condition above 1e6).
    """

    kinds = ("multiclass",)
    source = "Patrini et al. 2017, Making Deep Neural Networks Robust to Label Noise"
    minimum = None
    search = {"mode": Choice(("forward", "backward"))}
    memory = "O(B), O(B C) for soft labels"
    _uniform = tuple(tuple(0.6 if i == j else 0.1 for j in range(5)) for i in range(5))
    variants = (
        {"transition": _uniform},
        {"transition": _uniform, "from_logits": True},
        {"transition": tuple(map(tuple, np.eye(5))), "from_logits": True},
        {"transition": _uniform, "from_logits": True, "mode": "backward"},
    )

    def __init__(
        self,
        transition: Sequence[Sequence[float]],
        mode: str = "forward",
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if mode not in ("forward", "backward"):
            raise ValueError(
                f"NoiseTransition: mode must be 'forward' or 'backward', got {mode!r}."
            )
        self.mode = mode
        self.transition = tuple(tuple(float(v) for v in row) for row in transition)
        self.from_logits = bool(from_logits)
        _check_transition(self.transition, invertible=mode == "backward")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        matrix = np.asarray(self.transition)
        if y_pred.shape[-1] != len(matrix):
            raise ValueError(
                f"NoiseTransition: transition has {len(matrix)} classes, "
                f"but the predictions have {y_pred.shape[-1]}."
            )
        log_p = logp.log_softmax(y_pred, self.from_logits)
        if self.mode == "backward":
            return self._backward(y_true, log_p, np.linalg.inv(matrix))
        return self._forward(y_true, log_p, matrix)

    def _forward(self, y_true: Any, log_p: Any, matrix: np.ndarray) -> Any:
        log_t = np.log(np.where(matrix > 0, matrix, 1.0))
        log_t = ops.cast(np.where(matrix > 0, log_t, NEVER).T, log_p.dtype)  # row: noisy label
        if logp.is_class_ids(y_true, log_p):
            into = ops.take(log_t, logp.class_ids(y_true, log_p), axis=0)
            return -ops.logsumexp(log_p + into, axis=-1)
        log_noisy = ops.logsumexp(log_p[..., None, :] + log_t, axis=-1)
        return -ops.sum(ops.cast(y_true, log_p.dtype) * log_noisy, axis=-1)

    def _backward(self, y_true: Any, log_p: Any, inverse: np.ndarray) -> Any:
        inverse = ops.cast(inverse, log_p.dtype)
        if logp.is_class_ids(y_true, log_p):
            weights = ops.take(inverse, logp.class_ids(y_true, log_p), axis=0)
        else:
            weights = ops.matmul(ops.cast(y_true, log_p.dtype), inverse)
        return -ops.sum(weights * log_p, axis=-1)


class Peer(Loss):
    """Cross-entropy less what blind agreement with the labels would earn.

        loss = -log p_y + alpha sum_k share_k log p_k,    share: of each label in the batch

    The paper draws a random example and a random label for each example at each step; this is the
    mean over that draw, without its noise and without a random state.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...), a loss over the whole batch; without a lower bound.
    Edges: alpha = 0 is cross-entropy; alpha above 1 rewards extreme predictions.
    Source: Liu and Guo 2020, Peer Loss Functions: Learning from Noisy Labels without Knowing Noise
        Rates, section 4.

    >>> float(Peer()([0], [[0.7, 0.3]]))
    0.0

    Args:
        alpha: >= 0; the paper's 1.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a negative alpha.
    """

    kinds = ("multiclass",)
    source = "Liu and Guo 2020, Peer Loss Functions"
    minimum = None
    batch_coupled = True
    search = {"alpha": Float(0.0, 1.0)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "alpha": 0.3})

    def __init__(self, alpha: float = 1.0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.alpha = check_range("Peer", "alpha", alpha, 0.0)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        log_p = logp.log_softmax(y_pred, self.from_logits)
        targets = logp.one_hot_targets(y_true, y_pred)
        weight, total = counted(counts, targets)
        axes = tuple(range(len(targets.shape) - 1))
        share = ops.sum(weight * targets, axis=axes) / total
        return ops.sum((self.alpha * share - targets) * log_p, axis=-1)


class DMI(Loss):
    """The information between labels and predictions, in a measure that noise only scales.

        U_jk = mean over the batch of y_j p_k
        loss = -1/2 log det(U U^T + epsilon^2 I)          epsilon -> 0: -log |det U|

    Noise that does not depend on the example multiplies U by the transition matrix, det U by a
    constant, and so adds a constant to the loss. A batch that lacks a class has det U = 0:
    epsilon keeps it finite. Needs batches of many examples a class.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; y_true: class
        ids (batch, ...), one-hot or soft labels (batch, ..., C).
    Returns: (batch, ...), the batch's value for each example.
    Edges: any permutation of the classes scores alike, and so does a start at equal outputs: train
        with cross-entropy first, as the paper does.
    Source: Xu et al. 2019, L_DMI: A Novel Information-theoretic Loss Function for Training Deep
        Nets Robust to Label Noise, equation 4.

    >>> round(float(DMI()([0, 1], [[1.0, 0.0], [0.0, 1.0]])), 3)  # -log(1/2 * 1/2)
    1.386

    Args:
        epsilon: > 0, small against 1 / C.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for epsilon out of range.
    """

    kinds = ("multiclass",)
    source = "Xu et al. 2019, L_DMI: A Novel Information-theoretic Loss Function"
    minimum = None
    batch_coupled = True
    memory = "O(B + C^2)"
    variants = ({}, {"from_logits": True}, {"from_logits": True, "epsilon": 0.05})

    def __init__(self, epsilon: float = 1e-3, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("DMI", "epsilon", epsilon, 1e-4, 1.0)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        p = ops.exp(logp.log_softmax(y_pred, self.from_logits))
        targets = logp.one_hot_targets(y_true, y_pred)
        weight, total = counted(counts, targets)
        classes = y_pred.shape[-1]
        joint = ops.matmul(
            ops.transpose(ops.reshape(weight * targets, (-1, classes))),
            ops.reshape(p, (-1, classes)),
        )
        joint = joint / total
        identity = ops.eye(classes, dtype=joint.dtype)
        # U U^T has the determinant of U^T U, and exact zeros for a class that the batch lacks.
        gram = ops.matmul(joint, ops.transpose(joint)) + self.epsilon**2 * identity
        broken = ops.isnan(ops.sum(gram))  # TensorFlow's Cholesky raises an error on NaN
        root = ops.cholesky(ops.where(broken, identity, gram))
        log_det = 2.0 * ops.sum(ops.log(ops.diagonal(root)))
        log_det = ops.where(broken, float("nan"), log_det)
        return ops.broadcast_to(-0.5 * log_det, ops.shape(targets)[:-1])


def counted(counts: Any, targets: Any) -> tuple[Any, Any]:
    """(1 or 0 in the shape (..., 1), how many examples count, at least 1)."""
    rows = targets[..., 0]
    weight = ops.cast(ops.broadcast_to(align(counts, rows), ops.shape(rows)), targets.dtype)
    return weight[..., None], ops.maximum(ops.sum(weight), 1.0)


def _check_transition(rows: tuple[tuple[float, ...], ...], invertible: bool) -> None:
    if not rows or any(len(row) != len(rows) for row in rows):
        shape = (len(rows), *{len(row) for row in rows})
        raise ValueError(f"NoiseTransition: transition must be a square matrix, got {shape}.")
    matrix = np.asarray(rows)
    if not (np.all(matrix >= 0) and np.allclose(matrix.sum(axis=1), 1.0, atol=1e-4)):
        raise ValueError(
            "NoiseTransition: each row of transition must hold numbers in [0, 1] that sum to 1, "
            f"got {rows}."
        )
    if invertible and np.linalg.cond(matrix) > 1e6:
        raise ValueError(
            "NoiseTransition: transition has no usable inverse (condition "
            f"{np.linalg.cond(matrix):.2g}, wanted at most 1e6); use mode='forward'."
        )
