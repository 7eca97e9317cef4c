"""A formula as text and as a tree: read against a white list, never run, and printed back.

A tree is a number, the name of a variable, or `(operator, arguments...)`; operators are the keys of
`OPERATORS`. Everything here is plain Python.

>>> tree = read("-(1-p)**gamma * y*log(p)", {"gamma": 2.0}, ("y", "p"))
>>> text(tree)
'-(1.0 - p)**2.0*y*log(p)'
>>> size(tree), sorted(variables_of(tree))
(11, ['p', 'y'])
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from lossforge.errors import unknown_name

LONGEST = 1000
DEEPEST = 60
LARGEST = 3e38  # beyond, float32 is infinite
PREDICTIONS = ("p", "x", "r", "iou", "ioe", "uoe", "d")
"""Variables that the prediction decides; the others are `y`, the target, and `prior`."""

Tree = float | str | tuple
"""A number, a variable, or (operator, arguments...)."""


class Operator(NamedTuple):
    """How an operator works on plain numbers, and how it is written.

    Args:
        numbers: its value on Python floats.
        arguments: how many it takes; None: two or more.
        sign: the sign between (or before) its arguments; None: a function.
        binds: how strongly the sign binds; a function binds most.
        latex: a pattern with {0}, {1}.
    """

    numbers: Callable[..., float]
    arguments: int | None = 1
    sign: str | None = None
    binds: int = 9
    latex: str = ""


def _sigmoid(a: float) -> float:
    return 0.5 + 0.5 * math.tanh(0.5 * a)


def _softplus(a: float) -> float:
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))


OPERATORS: dict[str, Operator] = {
    "add": Operator(lambda a, b: a + b, 2, "+", 1),
    "sub": Operator(lambda a, b: a - b, 2, "-", 1),
    "mul": Operator(lambda a, b: a * b, 2, "*", 2),
    "div": Operator(lambda a, b: a / b, 2, "/", 2, r"\frac{{{0}}}{{{1}}}"),
    "neg": Operator(lambda a: -a, 1, "-", 3),
    "pow": Operator(math.pow, 2, "**", 4),
    "log": Operator(math.log, latex=r"\log\left({0}\right)"),
    "exp": Operator(math.exp, latex=r"e^{{{0}}}"),
    "sqrt": Operator(math.sqrt, latex=r"\sqrt{{{0}}}"),
    "abs": Operator(abs, latex=r"\left|{0}\right|"),
    "square": Operator(lambda a: a * a, latex=r"\left({0}\right)^{{2}}"),
    "tanh": Operator(math.tanh, latex=r"\tanh\left({0}\right)"),
    "sigmoid": Operator(_sigmoid, latex=r"\sigma\left({0}\right)"),
    "softplus": Operator(_softplus, latex=r"\log\left(1 + e^{{{0}}}\right)"),
    "sin": Operator(math.sin, latex=r"\sin\left({0}\right)"),
    "cos": Operator(math.cos, latex=r"\cos\left({0}\right)"),
    "atan": Operator(math.atan, latex=r"\arctan\left({0}\right)"),
    "erf": Operator(math.erf, latex=r"\operatorname{{erf}}\left({0}\right)"),
    "aq": Operator(
        lambda a, b: a / math.hypot(1.0, b),
        2,
        latex=r"\frac{{{0}}}{{\sqrt{{1 + \left({1}\right)^{{2}}}}}}",
    ),
    "min": Operator(min, None),
    "max": Operator(max, None),
}
FUNCTIONS = {name: operator for name, operator in OPERATORS.items() if operator.sign is None}
FUNCTIONS["neg"] = OPERATORS["neg"]
SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
    ast.USub: "neg",
}


def read(text: str, constants: Mapping[str, float], variables: tuple[str, ...]) -> Tree:
    """The tree of a formula, with constants folded in.

    Args:
        text: at most 1000 characters.
        constants: numbers by the names that the formula uses.
        variables: the names that it may read.

    Raises:
        ValueError: for text that is not a formula, names that do not exist, anything that is not
            arithmetic, numbers that are not finite, and a formula without a prediction.
    """
    if not isinstance(text, str):
        raise ValueError(f"Formula: the formula must be text, got {text!r}.")
    if len(text) > LONGEST:
        raise ValueError(f"Formula: {len(text)} characters are too many; at most {LONGEST}.")
    text = text.strip()
    if not text.isascii():
        strange = next(c for c in text if not c.isascii())
        raise ValueError(
            f"Formula: {strange!a} is not a plain letter, digit or sign; a formula is ASCII text."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise ValueError(f"Formula: '{text[:80]}' is not a formula: {reason}.") from None
    _check_depth(root)
    tree = _Reader(text, constants, variables).read(root)
    if not variables_of(tree) & set(PREDICTIONS):
        readable = " or ".join(v for v in variables if v in PREDICTIONS)
        raise ValueError(
            f"Formula: '{text[:80]}' does not depend on the prediction, {readable or 'p'}."
        )
    return tree


def names_in(text: str) -> set[str]:
    """All names of a text that `read` accepts."""
    return {n.id for n in ast.walk(ast.parse(text.strip(), mode="eval")) if isinstance(n, ast.Name)}


def text(tree: Tree) -> str:
    """The text of a tree, with no more parentheses than needed; `read` gives the tree back."""
    return _written(tree)[0]


def latex(tree: Tree) -> str:
    r"""
    >>> latex(("mul", ("neg", "y"), ("log", "p")))
    '-y \\cdot \\log\\left(p\\right)'
    """
    return _typeset(tree)[0]


def size(tree: Tree) -> int:
    """How many numbers, variables and operators a tree has."""
    return 1 + sum(map(size, tree[1:])) if isinstance(tree, tuple) else 1


def nodes(tree: Tree) -> Iterator[Tree]:
    """Every part of a tree, itself first."""
    yield tree
    if isinstance(tree, tuple):
        for argument in tree[1:]:
            yield from nodes(argument)


def variables_of(tree: Tree) -> set[str]:
    return {part for part in nodes(tree) if isinstance(part, str)}


def _number(value: float) -> str:
    return repr(float(value))


def _written(tree: Tree) -> tuple[str, int]:
    """(text, how strongly it binds)."""
    if isinstance(tree, str):
        return tree, 9
    if not isinstance(tree, tuple):
        return _number(tree), 9 if math.copysign(1.0, tree) > 0 else 3
    name, *arguments = tree
    operator = OPERATORS[name]
    if operator.sign is None:
        return f"{name}({', '.join(_written(a)[0] for a in arguments)})", 9
    if name == "neg":
        inner, binds = _written(arguments[0])
        folded = isinstance(arguments[0], float)  # a number with a sign is a number
        return (f"-({inner})" if binds < 3 or folded else f"-{inner}"), 3
    (left, left_binds), (right, right_binds) = map(_written, arguments)
    if name == "pow":  # binds to the right, and less than a sign on its right
        left = f"({left})" if left_binds <= operator.binds else left
        right = f"({right})" if right_binds < 3 else right
        return f"{left}**{right}", operator.binds
    left = f"({left})" if left_binds < operator.binds else left
    right = f"({right})" if right_binds <= operator.binds else right
    space = " " if operator.binds == 1 else ""
    return f"{left}{space}{operator.sign}{space}{right}", operator.binds


NAMES_IN_LATEX = {"prior": r"\pi", "iou": r"\frac{i}{u}", "ioe": r"\frac{i}{e}",
                  "uoe": r"\frac{u}{e}"}  # fmt: skip


def _typeset(tree: Tree) -> tuple[str, int]:
    if isinstance(tree, str):
        return NAMES_IN_LATEX.get(tree, tree), 9
    if not isinstance(tree, tuple):
        return f"{tree:.6g}", 9 if tree >= 0 else 1
    name, *arguments = tree
    operator, inside = OPERATORS[name], [_typeset(a) for a in arguments]
    if name in ("min", "max"):
        return rf"\{name}\left({', '.join(t for t, _ in inside)}\right)", 9
    if operator.latex:
        return operator.latex.format(*(t for t, _ in inside)), 2 if name == "div" else 9
    if name == "neg":
        shown, binds = inside[0]
        return (rf"-\left({shown}\right)" if binds < 2 else f"-{shown}"), 2
    (left, left_binds), (right, right_binds) = inside
    if name == "pow":
        base = rf"\left({left}\right)" if left_binds < 9 else left
        return f"{{{base}}}^{{{right}}}", 4
    left = rf"\left({left}\right)" if left_binds < operator.binds else left
    right = rf"\left({right}\right)" if right_binds <= operator.binds else right
    sign = r"\cdot" if name == "mul" else operator.sign
    return f"{left} {sign} {right}", operator.binds


class _Reader:
    """Turns the nodes of the white list into a tree; everything else is an error."""

    def __init__(
        self, text: str, constants: Mapping[str, float], variables: tuple[str, ...]
    ) -> None:
        self.text, self.constants, self.variables = text, constants, variables

    def read(self, node: ast.expr) -> Tree:
        if isinstance(node, ast.Constant):
            return self._number(node)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
            return self.read(node.operand)
        if isinstance(node, ast.UnaryOp) and type(node.op) in SIGNS:
            return self._apply(SIGNS[type(node.op)], [node.operand], node)
        if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
            return self._apply(SIGNS[type(node.op)], [node.left, node.right], node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id, node)
        raise ValueError(
            f"Formula: {self._shown(node)} is not allowed ({type(node).__name__}); a formula has "
            "numbers, names, + - * / ** and functions."
        )

    def _number(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise ValueError(f"Formula: {self._shown(node)} is not a number.")
        number = node.value
        return self._finite(lambda: float(number), node)

    def _name(self, name: str) -> Tree:
        if name in self.constants:
            return self.constants[name]
        if name in self.variables:
            return name
        if name in FUNCTIONS:
            raise ValueError(f"Formula: {name} is a function, write {name}(...).")
        if name == "x":
            raise ValueError(
                "Formula: x is the logit, which only a classifier with from_logits=True gives."
            )
        if name == "prior":
            raise ValueError("Formula: prior is the share of each class; give prior=[...].")
        known = [*self.variables, *self.constants]
        raise ValueError(
            f"Formula: {unknown_name('name', name, known)} Constants are given by name: {name}=1.0."
        )

    def _call(self, name: str, node: ast.Call) -> Tree:
        if name not in FUNCTIONS:
            raise ValueError(f"Formula: {unknown_name('function', name, FUNCTIONS)}")
        count = FUNCTIONS[name].arguments
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        wrong = len(node.args) < 2 if count is None else len(node.args) != count
        if wrong or starred or node.keywords:
            wanted = {None: "two values or more", 1: "one value", 2: "two values"}[count]
            raise ValueError(f"Formula: {name} takes {wanted}, got {self._shown(node)}.")
        return self._apply(name, node.args, node)

    def _apply(self, name: str, arguments: list[ast.expr], node: ast.expr) -> Tree:
        trees = [self.read(argument) for argument in arguments]
        if all(isinstance(tree, float) for tree in trees):
            return self._finite(lambda: OPERATORS[name].numbers(*trees), node)
        if name == "div" and trees[1] == 0.0:
            raise ValueError(f"Formula: {self._shown(node)} divides by zero.")
        if name == "pow" and isinstance(trees[0], float) and trees[0] <= 0.0:
            raise ValueError(f"Formula: {self._shown(node)} needs a base above 0.")
        return (name, *trees)

    def _finite(self, number: Callable[[], float], node: ast.expr) -> float:
        try:
            value = float(number())
        except (ArithmeticError, ValueError):
            value = math.nan
        if not abs(value) < LARGEST:
            raise ValueError(f"Formula: {self._shown(node)} is not a finite number.")
        return value

    def _shown(self, node: ast.expr) -> str:
        return f"'{' '.join((ast.get_source_segment(self.text, node) or '').split())[:80]}'"


def _check_depth(root: ast.AST) -> None:
    level = [root]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ValueError(f"Formula: more than {DEEPEST} operations inside each other.")


def check_constant(name: str, value: Any, reserved: tuple[str, ...]) -> float:
    if name in reserved or name in FUNCTIONS:
        raise ValueError(f"Formula: no constant can be called {name}, the word is taken.")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) < LARGEST:
        raise ValueError(f"Formula: {name} must be a finite number, got {value!r}.")
    return float(value)
