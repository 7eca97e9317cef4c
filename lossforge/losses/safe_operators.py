"""Arithmetic of formulas that stays finite, in value and in slope, where plain operators do not.

A Quantity knows its value and, where it is positive by construction (a probability, an exp, a
positive constant, and products, sums and powers of these), its logarithm. So `log(p)`,
`log(1 - p)`, `(1 - p)**gamma` and `y / p` are computed from logits, without a cap.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
from keras import ops

from lossforge.losses.classification.log_probabilities import safe_log

LARGEST_EXPONENT = 30.0
"""exp continues by its tangent beyond: exp(30) is 1e13."""
SMALLEST_DIVISOR = 1e-7
SMALLEST_BASE = 1e-36
LARGEST_COUNTED_POWER = 16


class Quantity:
    """A part of a formula.

    Args:
        value: a function that gives the tensor (or the number), or None: exp(log).
        log: a function that gives its logarithm, or None where its sign is not known.
        number: the value, where it is a constant.
        complement: a function that gives `1 - self` with its own logarithm, where that is known.
        logarithm: a function that gives what `log(self)` should compute when `log` is None.
        opposite: what this is the negative of.
    """

    def __init__(
        self,
        value: Callable[[], Any] | None = None,
        log: Callable[[], Any] | None = None,
        number: float | None = None,
        complement: Callable[[], Quantity] | None = None,
        logarithm: Callable[[], Any] | None = None,
        opposite: Quantity | None = None,
    ) -> None:
        self._value, self._log, self._logarithm = value, log, logarithm
        self.number = number
        self.complement = complement
        self.opposite = opposite

    @property
    def positive(self) -> bool:
        return self._log is not None

    @cached_property
    def value(self) -> Any:
        return exponential(self.log) if self._value is None else self._value()

    @cached_property
    def log(self) -> Any:
        assert self._log is not None, "only what is positive has an exact logarithm"
        return self._log()

    @cached_property
    def logarithm(self) -> Any:
        if self.positive:
            return self.log
        return safe_log(self.value) if self._logarithm is None else self._logarithm()


def constant(number: float) -> Quantity:
    log = (lambda: math.log(number)) if number > 0 else None
    return Quantity(lambda: number, log, number)


def tensor(x: Any) -> Quantity:
    return Quantity(lambda: x)


def probability(p: Any, q: Any, log_p: Any, log_q: Any) -> Quantity:
    """p and q = 1 - p (None: from their logarithms)."""

    def one(value, log, other):
        return Quantity(None if value is None else lambda: value, lambda: log, complement=other)

    def first():
        return one(p, log_p, second)

    def second():
        return one(q, log_q, first)

    return first()


def negative(a: Quantity) -> Quantity:
    return a.opposite or Quantity(lambda: -a.value, opposite=a)


def add(a: Quantity, b: Quantity) -> Quantity:
    if 0.0 in (a.number, b.number):
        return a if b.number == 0.0 else b
    if b.opposite is not None:
        return subtract(a, b.opposite)
    if a.opposite is not None:
        return subtract(b, a.opposite)
    log = None
    if a.positive and b.positive:
        log = lambda: a.log + ops.softplus(b.log - a.log)  # noqa: E731
    return Quantity(lambda: a.value + b.value, log)


def subtract(a: Quantity, b: Quantity) -> Quantity:
    if a.number == 1.0 and b.complement is not None:
        return b.complement()
    if b.number == 0.0:
        return a
    if b.opposite is not None:
        return add(a, b.opposite)
    return Quantity(lambda: a.value - b.value)


def multiply(a: Quantity, b: Quantity) -> Quantity:
    if 1.0 in (a.number, b.number):
        return a if b.number == 1.0 else b

    def log():
        return a.logarithm + b.logarithm

    if a.positive and b.positive:
        return Quantity(lambda: a.value * b.value, log)
    return Quantity(lambda: a.value * b.value, logarithm=log if a.positive or b.positive else None)


def divide(a: Quantity, b: Quantity) -> Quantity:
    """a / b; the divisor is kept 1e-7 off zero, or its inverse comes from its logarithm."""

    def log():
        return a.logarithm - b.logarithm

    if b.number is not None:
        positive = a.positive and b.positive
        return Quantity(lambda: a.value / b.number, log if positive else None)
    if a.positive and b.positive:
        return Quantity(log=log)
    if b.positive:
        return Quantity(lambda: a.value * exponential(-b.log), logarithm=log)
    return Quantity(lambda: a.value / off_zero(b.value), logarithm=log if a.positive else None)


def analytic_quotient(a: Quantity, b: Quantity) -> Quantity:
    """a / sqrt(1 + b^2), which has no pole."""
    log = None
    if a.positive:
        log = lambda: a.log - 0.5 * ops.log(1.0 + b.value * b.value)  # noqa: E731
    if b.number is not None:
        return divide(a, constant(math.hypot(1.0, b.number)))
    return Quantity(lambda: a.value / ops.sqrt(1.0 + b.value * b.value), log)


def power(a: Quantity, b: Quantity) -> Quantity:
    """a**b: exp(b log a) for positive a; whole numbers b of any a; else 0 where a <= 0."""
    if a.positive:
        return Quantity(log=lambda: b.value * a.log)
    exponent = b.number
    if exponent is not None and exponent == int(exponent):
        if abs(exponent) <= LARGEST_COUNTED_POWER:
            return Quantity(lambda: whole_power(a.value, int(exponent)))
    return Quantity(lambda: real_power(a.value, b.value))


def exp(a: Quantity) -> Quantity:
    return Quantity(log=lambda: a.value)


def log(a: Quantity) -> Quantity:
    return Quantity(lambda: a.logarithm)


def sqrt(a: Quantity) -> Quantity:
    if a.positive:
        return Quantity(log=lambda: 0.5 * a.log)
    return Quantity(lambda: safe_sqrt(a.value))


def square(a: Quantity) -> Quantity:
    return multiply(a.opposite or a, a.opposite or a)


def absolute(a: Quantity) -> Quantity:
    a = a.opposite or a
    return a if a.positive else Quantity(lambda: ops.abs(a.value))


def sigmoid(a: Quantity) -> Quantity:
    return probability(None, None, log_p=-ops.softplus(-a.value), log_q=-ops.softplus(a.value))


def softplus(a: Quantity) -> Quantity:
    return Quantity(lambda: ops.softplus(a.value))


def plain(name: str) -> Callable[[Quantity], Quantity]:
    """An operator of `keras.ops` that is finite everywhere as it is."""
    return lambda a: Quantity(lambda: in_own_dtype(name, a.value))


def smallest(a: Quantity, b: Quantity) -> Quantity:
    if a.number is not None and b.number is not None:
        return constant(min(a.number, b.number))
    both = a.positive and b.positive
    log = (lambda: ops.minimum(a.log, b.log)) if both else None
    return Quantity(lambda: ops.minimum(a.value, b.value), log)


def largest(a: Quantity, b: Quantity) -> Quantity:
    if a.number is not None and b.number is not None:
        return constant(max(a.number, b.number))
    both = a.positive and b.positive
    log = (lambda: ops.maximum(a.log, b.log)) if both else None
    return Quantity(lambda: ops.maximum(a.value, b.value), log)


def in_own_dtype(name: str, x: Any) -> Any:
    """`keras.ops.<name>(x)`, also where Keras computes float64 in float32 on JAX (tanh, sin)."""
    if keras.backend.backend() == "jax":
        import jax

        return getattr(jax.scipy.special if name == "erf" else jax.numpy, name)(x)
    return getattr(ops, name)(x)


def exponential(x: Any) -> Any:
    """exp(x), continued above 30 by its tangent."""
    return ops.exp(ops.minimum(x, LARGEST_EXPONENT)) * (
        1.0 + ops.maximum(x - LARGEST_EXPONENT, 0.0)
    )


def safe_sqrt(x: Any) -> Any:
    """The square root, with slope 0 at 0 and below."""
    zero = x <= SMALLEST_BASE  # NaN is not, and stays NaN
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, x)))


def off_zero(x: Any) -> Any:
    """x, but -1e-7 or 1e-7 where it is nearer to 0 than that."""
    near = ops.abs(x) < SMALLEST_DIVISOR
    side = ops.where(x < 0, -SMALLEST_DIVISOR, SMALLEST_DIVISOR)
    return ops.where(near, ops.cast(side, x.dtype), x)


def whole_power(x: Any, exponent: int) -> Any:
    """x multiplied by itself; for negative exponents, what that divides 1 into."""
    result = ops.ones_like(x)
    for _ in range(abs(exponent)):
        result = result * x
    return 1.0 / off_zero(result) if exponent < 0 else result


def real_power(x: Any, exponent: Any) -> Any:
    zero = x <= SMALLEST_BASE
    powered = exponential(exponent * ops.log(ops.where(zero, 1.0, x)))
    return ops.where(zero, 0.0, powered)


def log_softmax_and_complement(logits: Any) -> tuple[Any, Any]:
    """log p and log(1 - p) of a softmax over the last axis, both with a slope everywhere.

    1 - p of the largest logit is the share of all others; a difference would vanish.
    """
    total = ops.logsumexp(logits, axis=-1, keepdims=True)
    log_p = logits - total
    top = ops.argmax(logits, axis=-1)
    is_top = ops.one_hot(top, logits.shape[-1], dtype="bool")
    others = ops.logsumexp(ops.where(is_top, -1e30, logits), axis=-1, keepdims=True)
    at_most_half = ops.where(is_top, math.log(0.5), log_p)
    return log_p, ops.where(is_top, others - total, ops.log1p(-ops.exp(at_most_half)))
