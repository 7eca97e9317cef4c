"""Residuals of differential equations, in one term each: the equation, its start, its boundary."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import absolute_difference, difference
from lossforge.ranges import Float


class Residual(Loss):
    """How far a network is from solving its equations at collocation points.

        loss = mean |y_pred - y_true|^power    over the equations

    A physics-informed network has one such term for the equation, one for the initial values and
    one for the boundary: `model.compile(loss={"equation": Residual(), "start": Residual()})`.

    Reads: y_pred: (batch, ..., E), left-hand sides; y_true: the same shape, right-hand sides or 0.
    Returns: (batch, ...), one value a point; a weight a point is its `sample_weight`.
    Source: Raissi, Perdikaris and Karniadakis 2017, Physics Informed Deep Learning (power 2).

    >>> float(Residual()([[0.0, 0.0]], [[1.0, 3.0]]))
    5.0

    Args:
        power: >= 1; 1 where a few points, as at a shock, should not rule.
    """

    kinds = ("regression",)
    source = "Raissi, Perdikaris and Karniadakis 2017, Physics Informed Deep Learning"
    search = {"power": Float(1.0, 2.0)}
    variants = ({}, {"power": 1.0}, {"power": 1.5})

    def __init__(self, power: float = 2.0, **base: Any) -> None:
        super().__init__(**base)
        self.power = check_range("Residual", "power", power, 1.0, 4.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = absolute_difference(y_true, y_pred)
        return mean_over_last_axis(d if self.power == 1.0 else d**self.power)


class CausalResidual(Loss):
    """Residuals over time, where a moment counts once the moments before it are solved.

        L_t = mean_e (y_pred[t, e] - y_true[t, e])^2
        loss = mean_t w_t L_t,   w_t = exp(-epsilon sum_{s < t} L_s), held constant

    Reads: y_pred: (batch, ..., T, E), residuals at rising times, at points or of equations E;
        y_true: the same shape, right-hand sides or 0.
    Returns: (batch, ...); 1 is the weight of the first moment.
    Edges: with epsilon = 0 the mean squared residual. Training is over when the last weight is
        near 1; the paper raises epsilon from 0.01 to 100 on the way (a schedule's work).
    Source: Wang, Sankaran and Perdikaris 2022, Respecting causality is all you need for training
        physics-informed neural networks, equations 2.10 and 2.14.

    >>> import numpy as np
    >>> float(CausalResidual(epsilon=0.0)(np.zeros((1, 2, 1)), np.ones((1, 2, 1))))
    1.0

    Args:
        epsilon: steepness of the weights, >= 0, over the unit of a squared residual.
    """

    detached = True
    kinds = ("trajectory",)
    source = "Wang, Sankaran and Perdikaris 2022, Respecting causality is all you need"
    search = {"epsilon": Float(1e-2, 100.0, log=True)}
    variants = ({}, {"epsilon": 0.0}, {"epsilon": 0.1})

    def __init__(self, epsilon: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("CausalResidual", "epsilon", epsilon, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        residual = mean_over_last_axis(ops.square(difference(y_true, y_pred)))
        before = ops.cumsum(residual, axis=-1) - residual
        # Rounding may leave a little less than nothing before the first moment.
        before = ops.maximum(ops.stop_gradient(before), 0.0)
        return mean_over_last_axis(ops.exp(-self.epsilon * before) * residual)


class Sobolev(Loss):
    """A function and its derivatives at once.

        loss = (y_pred[0] - y_true[0])^2 + weight sum_{k >= 1} (y_pred[k] - y_true[k])^2

    With a residual and its gradient in y_pred, and y_true of 0, it is the gradient-enhanced PINN.

    Reads: y_true, y_pred: (batch, ..., 1 + K), a value and K of its derivatives.
    Returns: (batch, ...).
    Source: Czarnecki et al. 2017, Sobolev Training for Neural Networks; Yu et al. 2022,
        Gradient-enhanced physics-informed neural networks.

    >>> float(Sobolev(weight=0.5)([[0.0, 0.0]], [[1.0, 2.0]]))
    3.0

    Args:
        weight: of the derivatives, >= 0; the gradient-enhanced network's is often 0.01.
    """

    kinds = ("regression",)
    source = "Czarnecki et al. 2017, Sobolev Training for Neural Networks"
    search = {"weight": Float(1e-3, 10.0, log=True)}
    variants = ({}, {"weight": 0.01})

    def __init__(self, weight: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.weight = check_range("Sobolev", "weight", weight, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        square = ops.square(difference(y_true, y_pred))
        return square[..., 0] + self.weight * ops.sum(square[..., 1:], axis=-1)
