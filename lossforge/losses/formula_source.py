"""A formula as a Keras loss in Python text that stands alone, without lossforge.

The text is written by the rules of `safe_operators`: what is positive by construction keeps its
logarithm, so that `log(p)`, `(1 - p)**gamma` and `y / p` are stable in the text as they are in
`Formula`.
"""

from __future__ import annotations

import ast
import math
import textwrap
from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

from lossforge.expression import Tree, variables_of
from lossforge.losses.formula import Formula
from lossforge.losses.safe_operators import LARGEST_COUNTED_POWER


class Part(NamedTuple):
    """Text of a part of a formula: what a `Quantity` is as a tensor.

    Args:
        value: its value.
        log: its logarithm, where it is positive by construction.
        number: the value, of a constant.
        complement: text of the value and the logarithm of 1 - self, where both are known.
        logarithm: text of log(self) where `log` is not known but a better one is than of the value.
        opposite: what this is the negative of.
    """

    value: str
    log: str | None = None
    number: float | None = None
    complement: tuple[str, str] | None = None
    logarithm: str | None = None
    opposite: Part | None = None

    @property
    def as_log(self) -> str:
        return self.log or self.logarithm or f"safe_log({self.value})"


def keras_source(formula: Formula, name: str = "FoundLoss") -> str:
    """Python text of a `keras.losses.Loss` that equals a formula.

    >>> text = keras_source(Formula("abs(y - p)", task="regression"))
    >>> "return ops.mean(values, axis=-1)" in text and "lossforge" not in text
    True

    Args:
        formula: any Formula with a task; without one, that of exclusive classes is taken.
        name: of the class.

    Raises:
        ValueError: for a name that Python does not take.
    """
    if not name.isidentifier():
        raise ValueError(f"keras_source: {name!r} is no name for a class.")
    task = formula.plain_task or "multiclass"
    lines = _BEFORE[task](formula)
    if task == "embedding":
        same, other = (
            _written(formula.tree, {"y": _constant(y), "d": Part("d")}) for y in (1.0, 0.0)
        )
        lines += [f"values = mean_where(same, {same}) + mean_where(other, {other})"]
        lines += ["return values"]
    else:
        lines += [f"values = {_written(formula.tree, _variables(formula, task))}"]
        lines += [_AFTER.get(task, "return ops.mean(values, axis=-1)")]
    body = textwrap.indent("\n".join(lines), " " * 8)
    used = _helpers_of(body)
    text = f'''"""{formula.formula}: a loss for Keras 3."""

import keras
from keras import ops
{used}

class {name}(keras.losses.Loss):
    def call(self, y_true, y_pred):
{body}
'''
    return text


def _written(tree: Tree, variables: dict[str, Part]) -> str:
    """The value of a tree, with no more parentheses than needed."""
    return ast.unparse(ast.parse(_part(tree, variables).value, mode="eval"))


def _part(tree: Tree, variables: dict[str, Part]) -> Part:
    if isinstance(tree, str):
        return variables[tree]
    if isinstance(tree, tuple):
        return WRITTEN[tree[0]](*(_part(a, variables) for a in tree[1:]))
    return _constant(tree)


def _constant(number: float) -> Part:
    return Part(repr(number), repr(math.log(number)) if number > 0 else None, number)


def _probability(p: str, log_p: str, q: str, log_q: str) -> Part:
    return Part(p, log_p, complement=(q, log_q))


def _variables(formula: Formula, task: str) -> dict[str, Part]:
    found = {name: Part(name) for name in ("y", "x", "r", "iou", "ioe", "uoe")}
    if task == "regression":
        return found | {"p": Part("y_pred")}
    found["p"] = _probability("p", "log_p", "q", "log_q")
    return found | {"prior": Part("prior", "ops.log(prior)")}


def _from_log(log: str) -> Part:
    return Part(f"safe_exp({log})", log)


def _neg(a: Part) -> Part:
    return a.opposite or Part(f"(-{a.value})", opposite=a)


def _add(a: Part, b: Part) -> Part:
    if 0.0 in (a.number, b.number):
        return a if b.number == 0.0 else b
    if b.opposite:
        return _sub(a, b.opposite)
    if a.opposite:
        return _sub(b, a.opposite)
    log = f"({a.log} + ops.softplus({b.log} - {a.log}))" if a.log and b.log else None
    return Part(f"({a.value} + {b.value})", log)


def _sub(a: Part, b: Part) -> Part:
    if a.number == 1.0 and b.complement:
        return _probability(*b.complement, b.value, b.log or "")
    if b.number == 0.0:
        return a
    if b.opposite:
        return _add(a, b.opposite)
    return Part(f"({a.value} - {b.value})")


def _mul(a: Part, b: Part) -> Part:
    if 1.0 in (a.number, b.number):
        return a if b.number == 1.0 else b
    log = f"({a.as_log} + {b.as_log})"
    if a.log and b.log:
        return Part(f"({a.value} * {b.value})", log)
    return Part(f"({a.value} * {b.value})", logarithm=log if a.log or b.log else None)


def _div(a: Part, b: Part) -> Part:
    log = f"({a.as_log} - {b.as_log})"
    if b.number is not None:
        return Part(f"({a.value} / {b.value})", log if a.log and b.log else None)
    if a.log and b.log:
        return _from_log(log)
    if b.log:
        return Part(f"({a.value} * safe_exp(-{b.log}))", logarithm=log)
    return Part(f"({a.value} / off_zero({b.value}))", logarithm=log if a.log else None)


def _aq(a: Part, b: Part) -> Part:
    if b.number is not None:
        return _div(a, _constant(math.hypot(1.0, b.number)))
    below = f"(1.0 + ops.square({b.value}))"
    log = f"({a.log} - 0.5 * ops.log({below}))" if a.log else None
    return Part(f"({a.value} / ops.sqrt({below}))", log)


def _pow(a: Part, b: Part) -> Part:
    if a.log:
        return _from_log(f"({b.value} * {a.log})")
    n = b.number
    if n is not None and n == int(n) and abs(n) <= LARGEST_COUNTED_POWER:
        power = f"({a.value}) ** {abs(int(n))}" if n else f"ops.ones_like({a.value})"
        return Part(f"(1.0 / off_zero({power}))" if n < 0 else f"({power})")
    return Part(f"real_power({a.value}, {b.value})")


def _sqrt(a: Part) -> Part:
    return _from_log(f"(0.5 * {a.log})") if a.log else Part(f"safe_sqrt({a.value})")


def _abs(a: Part) -> Part:
    a = a.opposite or a
    return a if a.log else Part(f"ops.abs({a.value})")


def _square(a: Part) -> Part:
    a = a.opposite or a
    return _mul(a, a)


def _sigmoid(a: Part) -> Part:
    down, up = f"(-ops.softplus(-{a.value}))", f"(-ops.softplus({a.value}))"
    return _probability(f"ops.sigmoid({a.value})", down, f"ops.sigmoid(-{a.value})", up)


def _plain(name: str) -> Callable[[Part], Part]:
    return lambda a: Part(f"ops.{name}({a.value})")


def _choice(word: str, number: Callable[..., float]) -> Callable[..., Part]:
    def two(a: Part, b: Part) -> Part:
        if a.number is not None and b.number is not None:
            return _constant(number(a.number, b.number))
        log = f"ops.{word}({a.log}, {b.log})" if a.log and b.log else None
        return Part(f"ops.{word}({a.value}, {b.value})", log)

    return lambda *arguments: reduce(two, arguments)


WRITTEN: dict[str, Callable[..., Part]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "aq": _aq,
    "neg": _neg,
    "log": lambda a: Part(a.as_log),
    "exp": lambda a: _from_log(a.value),
    "sqrt": _sqrt,
    "abs": _abs,
    "square": _square,
    "sigmoid": _sigmoid,
    "softplus": _plain("softplus"),
    "tanh": _plain("tanh"),
    "sin": _plain("sin"),
    "cos": _plain("cos"),
    "atan": _plain("arctan"),
    "erf": _plain("erf"),
    "min": _choice("minimum", min),
    "max": _choice("maximum", max),
}


def _classes(formula: Formula) -> list[str]:
    lines = [
        "if y_true.shape != y_pred.shape:  # class ids",
        "    ids = ops.cast(ops.reshape(y_true, ops.shape(y_pred)[:-1]), 'int32')",
        "    y_true = ops.one_hot(ids, y_pred.shape[-1])",
        "y = ops.cast(y_true, y_pred.dtype)",
    ]
    if formula.from_logits:
        return [
            *lines,
            "x = y_pred",
            "log_p, log_q = log_softmax_and_complement(x)",
            *_p_q(formula),
        ]
    normal = "p = y_pred / off_zero(ops.sum(y_pred, axis=-1, keepdims=True))"
    return [*lines, normal, "log_p, log_q = safe_log(p), safe_log(1.0 - p)", *_p_q(formula)]


def _bits(formula: Formula) -> list[str]:
    lines = ["y = ops.cast(ops.reshape(y_true, ops.shape(y_pred)), y_pred.dtype)", "x = y_pred"]
    if formula.from_logits:
        return [*lines, "log_p, log_q = -ops.softplus(-x), -ops.softplus(x)", *_p_q(formula)]
    return [*lines, "p = x", "log_p, log_q = safe_log(p), safe_log(1.0 - p)", *_p_q(formula)]


def _p_q(formula: Formula) -> list[str]:
    values = ["p, q = ops.exp(log_p), ops.exp(log_q)"] if formula.from_logits else ["q = 1.0 - p"]
    if formula.prior:
        values.append(f"prior = ops.convert_to_tensor({formula.prior}, y_pred.dtype)")
    return values


def _numbers(formula: Formula) -> list[str]:
    lines = ["y = ops.cast(ops.reshape(y_true, ops.shape(y_pred)), y_pred.dtype)"]
    return [*lines, "r = y - y_pred"] if "r" in variables_of(formula.tree) else lines


def _boxes(formula: Formula) -> list[str]:
    return ["iou, ioe, uoe = shares(ops.cast(y_true, y_pred.dtype), y_pred)"]


def _embeddings(formula: Formula) -> list[str]:
    return ["d, same, other = pairs(y_true, y_pred)"]


_BEFORE: dict[str, Callable[[Formula], list[str]]] = {
    "multiclass": _classes,
    "binary": _bits,
    "multilabel": _bits,
    "regression": _numbers,
    "boxes": _boxes,
    "embedding": _embeddings,
}
_AFTER = {
    "multiclass": "return ops.sum(values + ops.zeros_like(y_pred), axis=-1)",
    "boxes": "return values",
}
HELPERS = {
    "log_softmax_and_complement": '''
def log_softmax_and_complement(x):
    """log p and log(1 - p); 1 - p of the largest logit is the share of all others."""
    total = ops.logsumexp(x, axis=-1, keepdims=True)
    log_p = x - total
    top = ops.one_hot(ops.argmax(x, axis=-1), x.shape[-1], dtype="bool")
    others = ops.logsumexp(ops.where(top, -1e30, x), axis=-1, keepdims=True)
    return log_p, ops.where(top, others - total, ops.log1p(-ops.exp(ops.where(top, -0.7, log_p))))
''',
    "shares": '''
def shares(a, b):
    """i/u, i/e and u/e of boxes x1 y1 x2 y2: intersection, union, hull."""
    low, high = ops.maximum(a[..., :2], b[..., :2]), ops.minimum(a[..., 2:], b[..., 2:])
    around = ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])
    i = ops.prod(ops.maximum(high - low, 0.0), axis=-1)
    u = sum(ops.prod(ops.maximum(c[..., 2:] - c[..., :2], 0.0), axis=-1) for c in (a, b)) - i
    e = ops.prod(around, axis=-1)
    return tuple(n / ops.maximum(d, 1e-12) for n, d in ((i, u), (i, e), (u, e)))
''',
    "pairs": '''
def pairs(labels, x):
    """Distances of unit vectors, and which pairs are of the same class and of others."""
    x = x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 1e-12))
    alike = ops.reshape(labels, (-1, 1)) == ops.reshape(labels, (1, -1))
    same = ops.logical_and(alike, ops.logical_not(ops.eye(x.shape[0], dtype="bool")))
    return safe_sqrt(2.0 - 2.0 * x @ ops.transpose(x)), same, ops.logical_not(alike)
''',
    "mean_where": """
def mean_where(mask, x):
    number = ops.sum(ops.cast(mask, "float32"), axis=-1)
    return ops.sum(ops.where(mask, x, 0.0), axis=-1) / ops.maximum(number, 1.0)
""",
    "safe_exp": '''
def safe_exp(x):
    """exp, continued above 30 by its tangent."""
    return ops.exp(ops.minimum(x, 30.0)) * (1.0 + ops.maximum(x - 30.0, 0.0))
''',
    "safe_log": '''
def safe_log(x):
    """log, continued below 1e-7 by its tangent."""
    return ops.log(ops.maximum(x, 1e-7)) + ops.minimum(x - 1e-7, 0.0) / 1e-7
''',
    "safe_sqrt": '''
def safe_sqrt(x):
    """sqrt, with slope 0 at 0 and below."""
    zero = x <= 1e-36
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, x)))
''',
    "off_zero": '''
def off_zero(x):
    """x, but 1e-7 off zero."""
    return ops.where(ops.abs(x) < 1e-7, ops.where(x < 0, -1e-7, 1e-7), x)
''',
    "real_power": '''
def real_power(x, exponent):
    """x**exponent, 0 where x <= 0."""
    zero = x <= 1e-36
    return ops.where(zero, 0.0, safe_exp(exponent * ops.log(ops.where(zero, 1.0, x))))
''',
}
"""Functions that a text may need, each written only where it is used."""


def _helpers_of(body: str) -> str:
    used: list[str] = []
    wanted = [body]
    while wanted:
        text = wanted.pop()
        for name, source in HELPERS.items():
            if f"{name}(" in text and name not in used:
                used.append(name)
                wanted.append(source)
    return "".join(f"\n{HELPERS[name]}" for name in HELPERS if name in used)
