"""Derivatives of a network by its inputs; weights of collocation points that follow residuals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def partial_derivative(function: Callable[[Any], Any], axis: int) -> Callable[[Any], Any]:
    """The derivative of a function of points (batch, D) by one coordinate, again such a function.

    All outputs at once, and a second derivative is the derivative of the derivative, with no
    persistent tape. Each row of the result must depend on its own row of the input alone,
    so call a network that has batch normalisation with `training=False`.

    >>> slope = partial_derivative(lambda x: x**3, axis=0)
    >>> float(partial_derivative(slope, axis=0)(ops.convert_to_tensor([[2.0]]))[0, 0])
    12.0

    Args:
        function: (batch, D) -> (batch, ...), in `keras.ops` or a Keras model.
        axis: the coordinate, 0 to D - 1.

    Raises:
        ValueError: when a point has no such coordinate.
        NotImplementedError: on a backend other than TensorFlow and JAX.
    """

    def derivative(points: Any) -> Any:
        points = ops.convert_to_tensor(points)
        size = points.shape[-1]
        if not 0 <= axis < size:
            raise ValueError(f"axis={axis!r} is no coordinate of points of {size} dimensions.")
        direction = ops.one_hot(axis, size, dtype=points.dtype) * ops.ones_like(points)
        backend = keras.backend.backend()
        if backend == "tensorflow":
            return _pushed_forward(function, points, direction)
        if backend == "jax":
            import jax

            return jax.jvp(function, (points,), (direction,))[1]
        raise NotImplementedError(f"partial_derivative has no {backend} version.")

    return derivative


def _pushed_forward(function: Callable[[Any], Any], points: Any, direction: Any) -> Any:
    """Forward mode as two reverse passes, because TensorFlow's own cannot be nested and trained.

    The gradient pulled back is linear in what it is pulled from: its slope there is the answer.
    """
    import tensorflow as tf

    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(points)
            value = function(points)
        cotangent = tf.ones_like(value)
        outer.watch(cotangent)
        pulled = inner.gradient(value, points, cotangent, unconnected_gradients=zero)
    return outer.gradient(pulled, cotangent, direction, unconnected_gradients=zero)


def residual_attention(
    weights: Any, residuals: Any, decay: float = 0.999, rate: float = 0.01
) -> Any:
    """Weights of collocation points that grow where residuals stay large.

        weights' = decay weights + rate |residuals| / max |residuals|

    Pass them on as `sample_weight` (squared, where the paper's weights multiply the residual).

    Source: Anagnostopoulos et al. 2023, Residual-based attention and connection to information
        bottleneck theory in PINNs, equation 6.

    >>> [round(float(w), 3) for w in residual_attention(ops.zeros(2), ops.array([1.0, -2.0]))]
    [0.005, 0.01]

    Args:
        weights: (points,), >= 0; zeros at the start.
        residuals: (points,).
        decay: in [0, 1); rate / (1 - decay) is the largest weight in the long run.
        rate: > 0.

    Raises:
        ValueError: for decay or rate out of range.
    """
    if not 0.0 <= decay < 1.0 or not rate > 0.0:
        raise ValueError(
            "residual_attention: decay must be in [0, 1) and rate above 0, "
            f"got {decay!r} and {rate!r}."
        )
    size = ops.abs(ops.stop_gradient(ops.convert_to_tensor(residuals)))
    return decay * ops.convert_to_tensor(weights) + rate * ops.divide_no_nan(size, ops.max(size))
