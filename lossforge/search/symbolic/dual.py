"""Numbers with a slope: formulas and their derivatives in NumPy, by the rules of `safe_operators`.

The search evaluates thousands of formulas a minute, each on a few hundred points. Building a graph
for each would cost more than the arithmetic, so the slope is carried along (forward mode). A Dual
also carries its logarithm where it is positive by construction, exactly as a `Quantity` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from scipy.special import erf as scipy_erf
from scipy.special import expit

from lossforge.expression import Tree

LARGEST_EXPONENT = 30.0
SMALLEST = 1e-7
SMALLEST_BASE = 1e-36
LARGEST_COUNTED_POWER = 16

Pair = tuple[Any, Any]
"""(value, slope), arrays that broadcast; the slope may have a leading axis of directions."""


class Dual:
    """A part of a formula.

    Args:
        pair: gives (value, slope), or None: exp of `log`.
        log: gives (logarithm, its slope), or None where the sign is not known.
        number: the value, of a constant.
        complement: gives `1 - self`, where that has a logarithm of its own.
        logarithm: gives what `log(self)` computes when `log` is None.
        opposite: what this is the negative of.
    """

    __slots__ = ("_log", "_logarithm", "_pair", "complement", "number", "opposite", "positive")

    def __init__(
        self,
        pair: Callable[[], Pair] | Pair | None = None,
        log: Callable[[], Pair] | Pair | None = None,
        number: float | None = None,
        complement: Callable[[], Dual] | None = None,
        logarithm: Callable[[], Pair] | None = None,
        opposite: Dual | None = None,
    ) -> None:
        self._pair, self._log, self._logarithm = pair, log, logarithm
        self.positive = log is not None
        self.number, self.complement, self.opposite = number, complement, opposite

    @property
    def pair(self) -> Pair:
        found = _exponential(self.log) if self._pair is None else self._pair
        if callable(found):
            found = found()
        self._pair = found
        return found

    @property
    def log(self) -> Pair:
        found = self._log() if callable(self._log) else self._log
        assert found is not None, "only what is positive has an exact logarithm"
        self._log = found
        return found

    @property
    def logarithm_is_a_sum(self) -> bool:
        return self._logarithm is not None

    @property
    def logarithm(self) -> Pair:
        if self.positive:
            return self.log
        return self._logarithm() if self._logarithm else _safe_log(self.pair)


def evaluate(tree: Tree, variables: dict[str, Dual]) -> Pair:
    """(value, slope) of a tree."""
    return _evaluate(tree, variables).pair


def log_form(tree: Tree) -> tuple[bool, bool]:
    """(whether a tree is known to be above 0 by its form, whether its logarithm is a sum)."""
    found = _evaluate(tree, _NO_VALUES)
    return found.positive, found.logarithm_is_a_sum


def constant(number: float) -> Dual:
    return Dual((number, 0.0), (math.log(number), 0.0) if number > 0 else None, number)


def given(value: Any, slope: Any = 0.0) -> Dual:
    return Dual((value, slope))


def probability(log_p: Pair, log_q: Pair) -> Dual:
    """p, and q = 1 - p, from their logarithms."""

    def first() -> Dual:
        return Dual(None, log_p, complement=second)

    def second() -> Dual:
        return Dual(None, log_q, complement=first)

    return first()


def _evaluate(tree: Tree, variables: dict[str, Dual]) -> Dual:
    if isinstance(tree, str):
        return variables[tree]
    if isinstance(tree, tuple):
        return OPERATORS[tree[0]](*(_evaluate(a, variables) for a in tree[1:]))
    return constant(tree)


def _exponential(a: Pair) -> Pair:
    x, slope = a
    value = np.exp(np.minimum(x, LARGEST_EXPONENT))
    return value * (1.0 + np.maximum(x - LARGEST_EXPONENT, 0.0)), value * slope


def _safe_log(a: Pair) -> Pair:
    x, slope = a
    kept = np.maximum(x, SMALLEST)
    return np.log(kept) + np.minimum(x - SMALLEST, 0.0) / SMALLEST, slope / kept


def _sum(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], a[1] + b[1]


def _difference(a: Pair, b: Pair) -> Pair:
    return a[0] - b[0], a[1] - b[1]


def _product(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0], a[1] * b[0] + a[0] * b[1]


def _scaled(a: Pair, factor: float) -> Pair:
    return factor * a[0], factor * a[1]


def _softplus(a: Pair) -> Pair:
    return np.logaddexp(a[0], 0.0), a[1] * expit(a[0])


def _neg(a: Dual) -> Dual:
    return a.opposite or Dual(lambda: _scaled(a.pair, -1.0), opposite=a)


def _add(a: Dual, b: Dual) -> Dual:
    if 0.0 in (a.number, b.number):
        return a if b.number == 0.0 else b
    if b.opposite is not None:
        return _sub(a, b.opposite)
    if a.opposite is not None:
        return _sub(b, a.opposite)
    log = None
    if a.positive and b.positive:
        log = lambda: _sum(a.log, _softplus(_difference(b.log, a.log)))  # noqa: E731
    return Dual(lambda: _sum(a.pair, b.pair), log)


def _sub(a: Dual, b: Dual) -> Dual:
    if a.number == 1.0 and b.complement is not None:
        return b.complement()
    if b.number == 0.0:
        return a
    if b.opposite is not None:
        return _add(a, b.opposite)
    return Dual(lambda: _difference(a.pair, b.pair))


def _mul(a: Dual, b: Dual) -> Dual:
    if 1.0 in (a.number, b.number):
        return a if b.number == 1.0 else b

    def log() -> Pair:
        return _sum(a.logarithm, b.logarithm)

    if a.positive and b.positive:
        return Dual(lambda: _product(a.pair, b.pair), log)
    one = a.positive or b.positive
    return Dual(lambda: _product(a.pair, b.pair), logarithm=log if one else None)


def _div(a: Dual, b: Dual) -> Dual:
    def log() -> Pair:
        return _difference(a.logarithm, b.logarithm)

    if b.number is not None:
        inverse_number = 1.0 / b.number
        both = a.positive and b.positive
        return Dual(lambda: _scaled(a.pair, inverse_number), log if both else None)
    if a.positive and b.positive:
        return Dual(log=log)
    if b.positive:
        inverse = lambda: _exponential(_scaled(b.log, -1.0))  # noqa: E731
        return Dual(lambda: _product(a.pair, inverse()), logarithm=log)
    return Dual(lambda: _product(a.pair, _inverse(b.pair)), logarithm=log if a.positive else None)


def _inverse(a: Pair) -> Pair:
    x, slope = a
    near = np.abs(x) < SMALLEST
    off = np.where(near, np.where(x < 0, -SMALLEST, SMALLEST), x)
    return 1.0 / off, np.where(near, 0.0, -slope / (off * off))


def _aq(a: Dual, b: Dual) -> Dual:
    if b.number is not None:
        return _div(a, constant(math.hypot(1.0, b.number)))

    def below() -> Pair:
        x, slope = b.pair
        root = np.sqrt(1.0 + x * x)
        return 1.0 / root, -x * slope / (root * root * root)

    def log() -> Pair:
        x, slope = b.pair
        return a.log[0] - 0.5 * np.log1p(x * x), a.log[1] - x * slope / (1.0 + x * x)

    return Dual(lambda: _product(a.pair, below()), log if a.positive else None)


def _pow(a: Dual, b: Dual) -> Dual:
    if a.positive:
        return Dual(log=lambda: _product(b.pair, a.log))
    n = b.number
    if n is not None and n == int(n) and abs(n) <= LARGEST_COUNTED_POWER:
        return Dual(lambda: _whole_power(a.pair, int(n)))
    return Dual(lambda: _real_power(a.pair, b.pair))


def _whole_power(a: Pair, n: int) -> Pair:
    x, slope = a
    m = abs(n)
    power = np.power(x, m) + 0.0 * x, (m * np.power(x, m - 1) if m else 0.0 * x) * slope
    return _inverse(power) if n < 0 else power


def _real_power(a: Pair, b: Pair) -> Pair:
    x, slope = a
    zero = x <= SMALLEST_BASE
    base = np.where(zero, 1.0, x)
    value, change = _exponential(_product(b, (np.log(base), np.where(zero, 0.0, slope) / base)))
    return np.where(zero, 0.0, value), np.where(zero, 0.0, change)


def _sqrt(a: Dual) -> Dual:
    if a.positive:
        return Dual(log=lambda: _scaled(a.log, 0.5))

    def pair() -> Pair:
        x, slope = a.pair
        zero = x <= SMALLEST_BASE
        root = np.sqrt(np.where(zero, 1.0, x))
        return np.where(zero, 0.0, root), np.where(zero, 0.0, 0.5 * slope / root)

    return Dual(pair)


def _square(a: Dual) -> Dual:
    return _mul(a.opposite or a, a.opposite or a)


def _abs(a: Dual) -> Dual:
    a = a.opposite or a
    return a if a.positive else Dual(lambda: (np.abs(a.pair[0]), np.sign(a.pair[0]) * a.pair[1]))


def _sigmoid(a: Dual) -> Dual:
    minus = _scaled(a.pair, -1.0)
    return probability(_scaled(_softplus(minus), -1.0), _scaled(_softplus(a.pair), -1.0))


def _curve(value: Callable[[Any], Any], slope: Callable[[Any, Any], Any]):
    """An operator from its value and its derivative at (argument, value)."""

    def operator(a: Dual) -> Dual:
        def pair() -> Pair:
            x, change = a.pair
            result = value(x)
            return result, slope(x, result) * change

        return Dual(pair)

    return operator


def _choice(first_is_chosen: Callable[[Any, Any], Any]):
    def two(a: Dual, b: Dual) -> Dual:
        if a.number is not None and b.number is not None:
            return a if first_is_chosen(a.number, b.number) else b

        def choose(one: Pair, other: Pair) -> Pair:
            (x, dx), (y, dy) = one, other
            first = first_is_chosen(x, y)
            return np.where(first, x, y) + 0.0 * (x + y), np.where(first, dx, dy)

        both = a.positive and b.positive
        log = (lambda: choose(a.log, b.log)) if both else None
        return Dual(lambda: choose(a.pair, b.pair), log)

    return lambda *arguments: reduce(two, arguments)


OPERATORS: dict[str, Callable[..., Dual]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "aq": _aq,
    "neg": _neg,
    "log": lambda a: Dual(lambda: a.logarithm),
    "exp": lambda a: Dual(log=lambda: a.pair),
    "sqrt": _sqrt,
    "abs": _abs,
    "square": _square,
    "sigmoid": _sigmoid,
    "softplus": lambda a: Dual(lambda: _softplus(a.pair)),
    "tanh": _curve(np.tanh, lambda x, t: 1.0 - t * t),
    "sin": _curve(np.sin, lambda x, s: np.cos(x)),
    "cos": _curve(np.cos, lambda x, c: -np.sin(x)),
    "atan": _curve(np.arctan, lambda x, a: 1.0 / (1.0 + x * x)),
    "erf": _curve(scipy_erf, lambda x, e: 2.0 / math.sqrt(math.pi) * np.exp(-x * x)),
    "min": _choice(lambda x, y: x <= y),
    "max": _choice(lambda x, y: x >= y),
}
_NOTHING = (0.0, 0.0)
_NO_VALUES = {name: given(0.0) for name in ("y", "x", "r", "iou", "ioe", "uoe", "d")} | {
    "p": probability(_NOTHING, _NOTHING),
    "prior": Dual(_NOTHING, _NOTHING),
}
"""Variables of which only the form is asked."""
