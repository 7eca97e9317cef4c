"""Quantiles and expectiles: losses that weigh errors above and below differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import targets_beside
from lossforge.ranges import Float


class Pinball(Loss):
    """Quantile regression, for one quantile or several at once that should not cross.

        d = y_true - y_pred[q]
        loss = mean_q max(tau_q d, (tau_q - 1) d)
               + crossing mean_q max(y_pred[q] - y_pred[q + 1], 0)

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., Q), a number a quantile.
        With one quantile also y_true, y_pred: (batch, ..., D).
    Returns: (batch, ...), the mean over the last axis.
    Edges: slope 0 where the two are equal. At tau = 0.5 it is half the absolute error.
    Source: Koenker and Bassett 1978, Regression Quantiles.

    >>> float(Pinball(0.75)([[4.0]], [[0.0]]))
    3.0

    Args:
        quantiles: one number in (0, 1), or one for each output in rising order.
        crossing: factor of the penalty on quantiles in the wrong order, >= 0.
    """

    kinds = ("quantiles",)
    source = "Koenker and Bassett 1978, Regression Quantiles"
    search = {"crossing": Float(1e-2, 10.0, log=True)}
    variants = (
        {},
        {"quantiles": 0.9},
        {"quantiles": [0.1, 0.5, 0.9]},
        {"quantiles": [0.1, 0.5, 0.9], "crossing": 2.0},
    )

    def __init__(
        self, quantiles: float | Sequence[float] = 0.5, crossing: float = 0.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.quantiles = check_quantiles("Pinball", quantiles)
        self.crossing = check_range("Pinball", "crossing", crossing, 0.0)
        if crossing and isinstance(self.quantiles, float):
            raise ValueError(f"Pinball: crossing={crossing!r} needs a list of quantiles.")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = targets_beside(y_true, y_pred) - y_pred
        tau = levels("Pinball", self.quantiles, y_pred)
        loss = mean_over_last_axis(ops.maximum(tau * d, (tau - 1.0) * d))
        if not self.crossing or y_pred.shape[-1] == 1:
            return loss
        crossed = ops.maximum(y_pred[..., :-1] - y_pred[..., 1:], 0.0)
        return loss + self.crossing * mean_over_last_axis(crossed)


class Expectile(Loss):
    """Squared error that weighs errors above and below differently: quantiles of a smoother kind.

        d = y_true - y_pred
        loss = mean(tau d^2 where d > 0, else (1 - tau) d^2)    over the last axis

    Reads: y_true: (batch, ...) or (batch, ..., 1); y_pred: (batch, ..., Q), a number an expectile.
        With one expectile also y_true, y_pred: (batch, ..., D).
    Returns: (batch, ...).
    Edges: at tau = 0.5 it is half the squared error.
    Source: Newey and Powell 1987, Asymmetric Least Squares Estimation and Testing.

    >>> float(Expectile(0.75)([[2.0]], [[0.0]]))
    3.0

    Args:
        expectiles: one number in (0, 1), or one for each output.
    """

    kinds = ("quantiles",)
    source = "Newey and Powell 1987, Asymmetric Least Squares Estimation and Testing"
    search = {"expectiles": Float(0.05, 0.95)}
    variants = ({}, {"expectiles": 0.9}, {"expectiles": [0.1, 0.5, 0.9]})

    def __init__(self, expectiles: float | Sequence[float] = 0.5, **base: Any) -> None:
        super().__init__(**base)
        self.expectiles = check_quantiles("Expectile", expectiles, "expectiles")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = targets_beside(y_true, y_pred) - y_pred
        tau = levels("Expectile", self.expectiles, y_pred)
        return mean_over_last_axis(ops.where(d > 0, tau, 1.0 - tau) * ops.square(d))


class QuantileHuber(Loss):
    """Quantiles of a whole distribution, told by samples: the loss of QR-DQN.

        u_ij = y_true[i] - y_pred[j],   tau_j = (j + 1/2) / Q
        loss = sum_j mean_i |tau_j - (u_ij < 0)| huber(u_ij; kappa) / kappa

    Reads: y_true: (batch, N), samples or quantiles of the target; y_pred: (batch, Q).
    Returns: (batch,).
    Edges: kappa = 0 is the pinball loss. Divided by kappa as in the authors' later work; the paper
        itself has kappa = 1. Holds (batch, N, Q) at once.
    Source: Dabney et al. 2018, Distributional Reinforcement Learning with Quantile Regression,
        equation 10.

    >>> float(QuantileHuber()([[2.0]], [[0.0]]))
    0.75

    Args:
        kappa: where the linear part begins, >= 0, in the unit of the targets.
    """

    kinds = ("quantile_samples",)
    source = "Dabney et al. 2018, Distributional Reinforcement Learning with Quantile Regression"
    minimum = None
    search = {"kappa": Float(0.05, 5.0, log=True)}
    variants = ({}, {"kappa": 0.0}, {"kappa": 0.3})

    def __init__(self, kappa: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.kappa = check_range("QuantileHuber", "kappa", kappa, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        number = y_pred.shape[-1]
        tau = (ops.cast(ops.arange(number), y_pred.dtype) + 0.5) / number
        u = ops.expand_dims(ops.cast(y_true, y_pred.dtype), -1) - ops.expand_dims(y_pred, -2)
        d = ops.abs(u)
        if self.kappa > 0:
            near = ops.minimum(d, self.kappa)
            d = 0.5 * near * near / self.kappa + (d - near)
        below = ops.where(u < 0, 1.0 - tau, tau)
        return ops.sum(mean_over_last_axis(ops.swapaxes(below * d, -1, -2)), axis=-1)


def check_quantiles(loss: str, value: Any, name: str = "quantiles") -> float | list[float]:
    """One level in (0, 1), or a rising list of them."""
    many = list(value) if isinstance(value, list | tuple) else [value]
    numbers = [isinstance(v, int | float) and 0.0 < v < 1.0 for v in many]
    if not many or not all(numbers) or many != sorted(set(many)):
        raise ValueError(f"{loss}: {name} must be in (0, 1) and in rising order, got {value!r}.")
    return [float(v) for v in many] if isinstance(value, list | tuple) else float(value)


def levels(loss: str, value: float | list[float], y_pred: Any) -> Any:
    """The levels as a tensor that broadcasts against predictions."""
    if isinstance(value, list) and len(value) != y_pred.shape[-1]:
        raise ValueError(
            f"{loss}: {len(value)} levels need predictions (..., {len(value)}), "
            f"got {tuple(y_pred.shape)}."
        )
    return ops.convert_to_tensor(value, dtype=y_pred.dtype)
