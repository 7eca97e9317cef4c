"""Bounds on the slope of a critic or a generator, one value an example.

The slope is a derivative in itself, so each penalty comes as two things: a loss that reads slopes,
and a function that computes them and the loss in one call, on TensorFlow and JAX, inside any
gradient of the caller's:

>>> import numpy as np
>>> critic = lambda images: 2.0 * images
>>> gradient_penalty(critic, np.ones((2, 1)), np.zeros((2, 1))).shape[0]
2
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.ranges import Choice, Float


class GradientPenalty(Loss):
    """Holds the length of the critic's slope at a target, over the whole example.

        two-sided   loss = (|g| - target)^2           one-sided   loss = max(0, |g| - target)^2

    |g| runs over all axes of an example at once; a norm over the channels of each pixel, as in some
    libraries, is another penalty.

    Reads: y_pred: (batch, ...), slopes as `slope_between` gives them; y_true is not read.
    Returns: (batch,). The paper's weight is 10.
    Edges: a slope of 0 costs target^2 and has gradient 0.
    Source: Gulrajani et al. 2017, Improved Training of Wasserstein GANs, equation 3; one-sided:
        Petzka et al. 2018, On the Regularization of Wasserstein GANs.

    >>> float(GradientPenalty()([0.0], [[3.0, 4.0]]))
    16.0

    Args:
        target: the length that costs nothing, > 0.
        one_sided: whether shorter slopes cost nothing too.

    Raises:
        ValueError: for a target out of range.
    """

    kinds = ("unit_gradient",)
    source = "Gulrajani et al. 2017, Improved Training of Wasserstein GANs"
    search = {"one_sided": Choice((False, True))}
    variants = ({}, {"one_sided": True})

    def __init__(self, target: float = 1.0, one_sided: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.target = check_range("GradientPenalty", "target", target, 1e-6)
        self.one_sided = bool(one_sided)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        excess = length(y_pred) - self.target
        return ops.square(ops.relu(excess) if self.one_sided else excess)


class ZeroGradientPenalty(Loss):
    """Keeps the critic flat where the examples are: R1 on real ones, R2 on generated ones.

        loss = gamma / 2 |g|^2

    Reads: y_pred: (batch, ...), slopes as `slope_of` gives them; y_true is not read.
    Returns: (batch,). Computed every k-th step only ("lazy"), weigh it with k.
    Source: Mescheder, Geiger and Nowozin 2018, Which Training Methods for GANs do actually
        Converge?, equations 9 and 10.

    >>> float(ZeroGradientPenalty(gamma=2.0)([0.0], [[3.0, 4.0]]))
    25.0

    Args:
        gamma: weight, >= 0; the paper's 10.

    Raises:
        ValueError: for a negative gamma.
    """

    kinds = ("zero_gradient",)
    source = "Mescheder, Geiger and Nowozin 2018, Which Training Methods for GANs do Converge?"
    search = {"gamma": Float(0.1, 100.0, log=True)}
    variants = ({}, {"gamma": 0.5})

    def __init__(self, gamma: float = 10.0, **base: Any) -> None:
        super().__init__(**base)
        self.gamma = check_range("ZeroGradientPenalty", "gamma", gamma, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return 0.5 * self.gamma * _sum_of_squares(y_pred)


class PathLength(Loss):
    """A step in the latent changes the image as much everywhere: a smooth generator.

        loss = (|g| - a)^2,    g = d sum(image * noise) / d latent,    a: the running mean of |g|

    Reads: y_true: (batch, 1) or (batch,), a, kept by the caller, who updates it with
        a + 0.01 (mean |g| - a); y_pred: (batch, ...), slopes as `slope_of_generator` gives them.
    Returns: (batch,). The paper's weight is 2, at every 16th step weighed with 16.
    Source: Karras et al. 2020, Analyzing and Improving the Image Quality of StyleGAN, equation 4.

    >>> float(PathLength()([4.0], [[3.0, 4.0]]))
    1.0
    """

    kinds = ("path_length",)
    source = "Karras et al. 2020, Analyzing and Improving the Image Quality of StyleGAN"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = ops.reshape(ops.cast(y_true, y_pred.dtype), (-1,))
        return ops.square(length(y_pred) - target)


def gradient_penalty(
    critic: Callable[[Any], Any],
    real: Any,
    generated: Any,
    target: float = 1.0,
    one_sided: bool = False,
    seed: Any = None,
) -> Any:
    """WGAN-GP: (batch,) penalties at random points between real and generated examples."""
    loss = GradientPenalty(target, one_sided, reduction=None)
    slope = slope_between(critic, real, generated, seed)
    return loss(ops.zeros(ops.shape(slope)[:1]), slope)


def r1(critic: Callable[[Any], Any], real: Any, gamma: float = 10.0) -> Any:
    """(batch,) zero-centred penalties at real examples."""
    slope = slope_of(critic, real)
    return ZeroGradientPenalty(gamma, reduction=None)(ops.zeros(ops.shape(slope)[:1]), slope)


def r2(critic: Callable[[Any], Any], generated: Any, gamma: float = 10.0) -> Any:
    """(batch,) zero-centred penalties at generated examples."""
    return r1(critic, generated, gamma)


def path_length(
    generator: Callable[[Any], Any], latents: Any, mean_length: Any, seed: Any = None
) -> tuple[Any, Any]:
    """(batch,) penalties, and the mean length of the batch with which to update the running one."""
    slope = slope_of_generator(generator, latents, seed)
    lengths = length(slope)
    target = ops.broadcast_to(ops.convert_to_tensor(mean_length, slope.dtype), ops.shape(lengths))
    return PathLength(reduction=None)(target, slope), ops.stop_gradient(ops.mean(lengths))


def slope_of(function: Callable[[Any], Any], x: Any) -> Any:
    """d sum(function(x)) / d x, itself open to differentiation in the function's weights."""
    x = ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(lambda at: ops.sum(function(at)))(x)
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = ops.sum(function(x))
    return tape.gradient(total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def slope_between(critic: Callable[[Any], Any], real: Any, generated: Any, seed: Any = None) -> Any:
    """The critic's slope at one random point on the line between each pair of examples."""
    real = ops.convert_to_tensor(real)
    generated = ops.cast(generated, real.dtype)
    shape = (ops.shape(real)[0], *[1] * (len(real.shape) - 1))
    share = keras.random.uniform(shape, dtype=real.dtype, seed=seed)
    return slope_of(critic, ops.stop_gradient(share * real + (1.0 - share) * generated))


def slope_of_generator(generator: Callable[[Any], Any], latents: Any, seed: Any = None) -> Any:
    """The generator's slope, in its latents, of the image along random noise."""

    def along_noise(latents):
        images = generator(latents)
        pixels = ops.cast(ops.prod(ops.shape(images)[1:-1]), images.dtype)
        noise = keras.random.normal(ops.shape(images), dtype=images.dtype, seed=seed)
        return ops.sum(images * noise) / ops.sqrt(pixels)

    return slope_of(along_noise, latents)


def length(slope: Any) -> Any:
    """(batch,) Euclidean lengths over all other axes, with gradient 0 at 0."""
    squared = _sum_of_squares(slope)
    some = ops.logical_not(squared <= 0.0)  # NaN stays NaN
    return ops.where(some, ops.sqrt(ops.where(some, squared, 1.0)), 0.0)


def _sum_of_squares(x: Any) -> Any:
    return ops.sum(ops.square(x), axis=tuple(range(1, len(x.shape))))
