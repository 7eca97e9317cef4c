"""A curriculum over any loss: examples that cost more than usual weigh less."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.ranges import Float


class SuperLoss(Loss):
    """Another loss, whose hard examples are trusted less: a curriculum without a schedule.

        loss = (l - tau) s + lam (log s)^2
        s = exp(-W(max(-2 / e, (l - tau) / lam) / 2)),   W the Lambert function, s held constant

    s is the confidence that makes the value least: 1 at l = tau, at most e, towards 0 for large l.

    Reads: what the wrapped loss reads; one value l for each example, pixel or anchor.
    Returns: as the wrapped loss; negative for easy examples.
    Edges: a large `lam` is the wrapped loss minus tau.
    Source: Castells et al. 2020, SuperLoss: A Generic Loss for Robust Curriculum Learning.

    >>> import lossforge
    >>> float(SuperLoss(lossforge.SmoothL1(), tau=1.0)([[0.0]], [[1.5]]))
    0.0

    Args:
        loss: the loss to weigh, a lossforge Loss.
        tau: the value that counts as usual; the paper: log C for cross-entropy of C classes. None:
            that, C the size of the last axis of the predictions (2 for one output).
        lam: how much confidence costs, > 0; the paper's 0.25 to 1.
    """

    wraps = True
    detached = True
    minimum = None
    source = "Castells et al. 2020, SuperLoss"
    search = {"lam": Float(0.1, 10.0, log=True)}

    def __init__(self, loss: Loss, tau: float | None = None, lam: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(loss, Loss):
            raise ValueError(f"SuperLoss: loss must be a lossforge Loss, got {loss!r}.")
        self.loss = loss
        self.kinds = loss.kinds
        self.tau = None if tau is None else check_range("SuperLoss", "tau", tau, -1e30)
        self.lam = check_range("SuperLoss", "lam", lam, 1e-6)
        self.batch_coupled = loss.batch_coupled

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.valid(y_true, y_pred)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        tau = math.log(max(y_pred.shape[-1], 2)) if self.tau is None else self.tau
        excess = self.loss.call_valid(y_true, y_pred, counts) - tau
        argument = ops.maximum(excess / self.lam, -2.0 / math.e)
        log_s = -lambert_w(ops.stop_gradient(0.5 * argument))
        return excess * ops.exp(log_s) + self.lam * ops.square(log_s)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SuperLoss:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def lambert_w(x: Any) -> Any:
    """The principal w with w exp(w) = x, for x >= -1 / e: a good start and Halley's steps.

    >>> round(float(lambert_w(ops.convert_to_tensor(math.e))), 6)
    1.0
    """
    root = ops.sqrt(ops.maximum(2.0 * (math.e * x + 1.0), 0.0))  # about the branch point
    w = ops.where(x < 0, -1.0 + root - root**2 / 3.0 + root**3 * 11.0 / 72.0, ops.log1p(x))
    for _ in range(5):
        above = ops.maximum(w + 1.0, 1e-6)
        apart = w - x * ops.exp(-w)
        w = w - apart / (above - (w + 2.0) * apart / (2.0 * above))
        w = ops.maximum(w, -1.0)
    return w
