"""Wing losses of landmarks: small errors count more than in L1."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range, mean_over_last_axis
from lossforge.losses.regression.differences import absolute_difference, targets_for
from lossforge.ranges import Float


class Wing(Loss):
    """Logarithmic near zero and linear beyond: landmarks that are almost right keep a gradient.

        d = |y_pred - y_true|
        loss = mean(w log(1 + d / epsilon) where d < w, else d - w + w log(1 + w / epsilon))

    Reads: y_true, y_pred: (batch, ..., D), coordinates, in pixels for the default width.
    Returns: (batch, ...), the mean over the last axis.
    Edges: slope w / epsilon next to 0, and 0 where the two are equal.
    Source: Feng et al. 2018, Wing Loss for Robust Facial Landmark Localisation with Convolutional
        Neural Networks, equation 5.

    >>> round(float(Wing()([[0.0]], [[2.0]])), 4)
    6.9315

    Args:
        width: w, where the linear part begins, > 0; the paper's 10.
        epsilon: curvature of the logarithm, > 0; the paper's 2.
    """

    kinds = ("regression",)
    source = "Feng et al. 2018, Wing Loss for Robust Facial Landmark Localisation"
    search = {"width": Float(0.1, 20.0, log=True), "epsilon": Float(0.1, 5.0, log=True)}
    variants = ({}, {"width": 0.8, "epsilon": 0.3})

    def __init__(self, width: float = 10.0, epsilon: float = 2.0, **base: Any) -> None:
        super().__init__(**base)
        self.width = check_range("Wing", "width", width, 1e-6)
        self.epsilon = check_range("Wing", "epsilon", epsilon, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        d = absolute_difference(y_true, y_pred)
        near = ops.minimum(d, self.width)
        return mean_over_last_axis(self.width * ops.log1p(near / self.epsilon) + (d - near))


class AdaptiveWing(Loss):
    """Wing loss for heatmaps: a sharp wing on the foreground, a quadratic one on the background.

        d = |y_pred - y_true|,  e = alpha - y_true
        d < theta    omega log(1 + (d / epsilon)^e)
        else         the line that continues it with the same slope        mean over the last axis

    Reads: y_true: (batch, ..., D), heatmaps in [0, 1]; y_pred: the same.
    Returns: (batch, ...).
    Edges: targets outside [0, 1] shape the wing as their nearest value inside.
    Source: Wang et al. 2019, Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression,
        equation 3.

    >>> round(float(AdaptiveWing()([[1.0]], [[0.75]])), 4)
    2.7568

    Args:
        alpha: slightly above 2, so that the background is quadratic; the paper's 2.1.
        omega: size of the wing, > 0; the paper's 14.
        epsilon: curvature, > 0; the paper's 1.
        theta: where the linear part begins, > 0; the paper's 0.5.
    """

    kinds = ("quality",)
    source = "Wang et al. 2019, Adaptive Wing Loss for Robust Face Alignment"
    search = {"omega": Float(2.0, 30.0, log=True), "theta": Float(0.1, 0.9)}
    variants = ({}, {"alpha": 2.5, "omega": 8.0, "epsilon": 0.5, "theta": 0.2})

    def __init__(
        self,
        alpha: float = 2.1,
        omega: float = 14.0,
        epsilon: float = 1.0,
        theta: float = 0.5,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("AdaptiveWing", "alpha", alpha, 2.0001)
        self.omega = check_range("AdaptiveWing", "omega", omega, 1e-6)
        self.epsilon = check_range("AdaptiveWing", "epsilon", epsilon, 1e-6)
        self.theta = check_range("AdaptiveWing", "theta", theta, 1e-6)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = targets_for(y_true, y_pred)
        d = ops.abs(y_pred - y_true)
        exponent = self.alpha - ops.clip(y_true, 0.0, 1.0)
        edge = self.theta / self.epsilon
        power = edge**exponent
        slope = self.omega * exponent * power / (self.theta * (1.0 + power))
        near = ops.minimum(d, self.theta)
        wing = self.omega * ops.log1p((near / self.epsilon) ** exponent)
        return mean_over_last_axis(wing + slope * (d - near))
