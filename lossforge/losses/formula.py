"""A loss from a formula: read by a parser with a white list, never run as code."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple

from keras import ops

from lossforge.errors import unknown_name
from lossforge.losses import safe_operators as safe
from lossforge.losses.base import Loss, argument_names, mean_over_last_axis
from lossforge.losses.classification import log_probabilities as logp

LONGEST = 1000
DEEPEST = 60
LARGEST = 3e38  # beyond, float32 is infinite
TASKS = (*logp.TASKS, "regression")
VARIABLES = ("y", "p", "x")
RESERVED = ("name", "reduction", "dtype", "weight", "terms")


class Operator(NamedTuple):
    """How a function or an arithmetic sign works on numbers, and on parts of a formula."""

    numbers: Callable[..., float]
    quantities: Callable[..., safe.Quantity]
    arguments: int | None = 1


def _of_all(two: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: reduce(two, arguments)


FUNCTIONS: dict[str, Operator] = {
    "log": Operator(math.log, safe.log),
    "exp": Operator(math.exp, safe.exp),
    "sqrt": Operator(math.sqrt, safe.sqrt),
    "abs": Operator(abs, safe.absolute),
    "neg": Operator(lambda a: -a, safe.negative),
    "square": Operator(lambda a: a * a, safe.square),
    "tanh": Operator(math.tanh, safe.plain("tanh")),
    "sigmoid": Operator(lambda a: 0.5 + 0.5 * math.tanh(0.5 * a), safe.sigmoid),
    "softplus": Operator(lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a))), safe.softplus),
    "sin": Operator(math.sin, safe.plain("sin")),
    "cos": Operator(math.cos, safe.plain("cos")),
    "atan": Operator(math.atan, safe.plain("arctan")),
    "erf": Operator(math.erf, safe.plain("erf")),
    "min": Operator(min, _of_all(safe.smallest), None),
    "max": Operator(max, _of_all(safe.largest), None),
}
SIGNS: dict[type[ast.AST], Operator] = {
    ast.Add: Operator(lambda a, b: a + b, safe.add),
    ast.Sub: Operator(lambda a, b: a - b, safe.subtract),
    ast.Mult: Operator(lambda a, b: a * b, safe.multiply),
    ast.Div: Operator(lambda a, b: a / b, safe.divide),
    ast.Pow: Operator(math.pow, safe.power),
    ast.USub: Operator(lambda a: -a, safe.negative),
    ast.UAdd: Operator(lambda a: a, lambda a: a),
}


class Formula(Loss):
    """A loss from its formula, written as in a paper.

        Formula("-(1-p)**gamma * y*log(p)", gamma=2.0)

    Names: y the target, p the prediction (a probability, except in regression), x the logit;
    constants are given by name. Functions: log, exp, sqrt, abs, neg, square, min, max, tanh,
    sigmoid, softplus, sin, cos, atan, erf. Signs: + - * / **.

        multiclass            loss = sum_c  formula(y_c, p_c)    p = softmax(x), y one-hot
        binary, multilabel    loss = mean_c formula(y_c, p_c)    p = sigmoid(x); y = 0 as well
        regression            loss = mean_d formula(y_d, p_d)    p is the prediction itself

    Probabilities and what is made of them keep their logarithms, so that `log(p)`, `log(1-p)`,
    `(1-p)**gamma` and `y/p` have a finite value and a slope for every logit.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; in regression
        real numbers. y_true: class ids (batch, ...), or (batch, ..., C).
    Returns: (batch, ...).
    Edges: outside of their domains operators continue: log below 1e-7 and exp above 30 by their
        tangents, sqrt and real powers of negative numbers are 0, divisors stay 1e-7 off zero.
    Source: the formula's own; the operators are those of symbolic loss search (Liu et al. 2021,
        Loss Function Discovery for Object Detection via Convergence-Simulation Driven Search).

    >>> float(Formula("-(1-p)**gamma * y*log(p)", gamma=2.0)([1], [[0.0, 1.0]]))
    0.0

    Args:
        formula: the text, at most 1000 characters. It must read p or x.
        task: "binary", "multiclass", "multilabel" or "regression". None: binary for one output,
            else multiclass.
        from_logits: whether predictions are logits; x can only be read from these.
        constants: finite numbers, by the names that the formula uses.

    Raises:
        ValueError: for text that is not a formula, names that do not exist, anything that is not
            arithmetic, constants that are not finite, missing or not used.
    """

    open_arguments = True
    minimum = None
    kinds = ("multiclass", "binary", "multilabel", "regression")
    source = "Its own formula; operators as in Liu et al. 2021, Loss Function Discovery"
    variants = (
        {"formula": "-(1-p)**gamma * y*log(p)", "gamma": 2.0, "task": "multiclass"},
        {"formula": "-y*log(p)*(1-p)**g - (1-y)*p**g*log(1-p)", "g": 1.5, "task": "binary"},
        *(
            {"formula": text, "q": 0.5, "task": task, "from_logits": True}
            for task in logp.TASKS
            for text in (
                "-y*log(p)*(1-p)**q - (1-y)*p**q*log(1-p)",
                "(y*sqrt(1/p) + (1-y)*p*exp(square(p)) - y)/q",
                "softplus(-(2*y-1)*x) + neg(y*log(p/(1 + q - q*p)))",
            )
        ),
        {"formula": "abs(y-p)**q + max(sqrt(square(y-p)), 0.1, atan(y-p))", "q": 1.5},
        {"formula": "tanh(square(y-p)) + erf((y-p)**2) + sin(min(abs(y-p), 1)) - cos(y - p)"},
        {"formula": "sqrt(d**2 + (y - p)**2) - d", "d": 0.01, "task": "regression"},
        {"formula": "log(exp(y-p) + exp(p-y)) + (y-p)*(sigmoid(y-p) - .5)", "task": "regression"},
    )

    def __init__(
        self,
        formula: str,
        task: str | None = None,
        from_logits: bool = False,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
        **constants: float,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if task is not None and task not in TASKS:
            raise ValueError(f"Formula: task must be one of {', '.join(TASKS)}, got {task!r}.")
        if task == "regression" and from_logits:
            raise ValueError("Formula: regression reads no logits, got from_logits=True.")
        self.formula = formula
        self.task = task
        self.from_logits = bool(from_logits)
        self.constants = {n: _constant(n, value) for n, value in constants.items()}
        self._tree = read(formula, self.constants, ("y", "p", "x") if from_logits else ("y", "p"))

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), **self.constants}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        task = self.task
        if task != "regression":
            task = logp.task_of(task, y_pred)
        values = evaluate(self._tree, self._variables(task, y_true, y_pred)).value
        values = ops.broadcast_to(values, ops.shape(y_pred))
        return ops.sum(values, axis=-1) if task == "multiclass" else mean_over_last_axis(values)

    def _variables(self, task: str, y_true: Any, y_pred: Any) -> dict[str, safe.Quantity]:
        if task == "regression":
            y = logp.binary_targets(y_true, y_pred)
            return {"y": safe.tensor(y), "p": safe.tensor(y_pred)}
        if task == "multiclass":
            y = logp.one_hot_targets(y_true, y_pred)
            if self.from_logits:
                logs = safe.log_softmax_and_complement(y_pred)
            else:
                y_pred = y_pred / safe.off_zero(ops.sum(y_pred, axis=-1, keepdims=True))
                logs = logp.log_sigmoid(y_pred, from_logits=False)
        else:
            y = logp.binary_targets(y_true, y_pred)
            logs = logp.log_sigmoid(y_pred, self.from_logits)
        values = (None, None) if self.from_logits else (y_pred, 1.0 - y_pred)
        return {
            "y": safe.tensor(y),
            "p": safe.probability(*values, *logs),
            "x": safe.tensor(y_pred),
        }


Tree = float | str | tuple
"""A number, a variable, or (operator, arguments...)."""


def read(text: str, constants: Mapping[str, float], variables: tuple[str, ...]) -> Tree:
    """The tree of a formula, with constants folded in.

    Raises:
        ValueError: for what `Formula` refuses.
    """
    if not isinstance(text, str):
        raise ValueError(f"Formula: the formula must be text, got {text!r}.")
    if len(text) > LONGEST:
        raise ValueError(f"Formula: {len(text)} characters are too many; at most {LONGEST}.")
    text = text.strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise ValueError(f"Formula: '{text[:80]}' is not a formula: {reason}.") from None
    _check_depth(root)
    names = {node.id for node in ast.walk(root) if isinstance(node, ast.Name)}
    tree = _Reader(text, constants, variables).read(root)
    for name in constants:
        if name not in names:
            known = {*argument_names(Formula), "name", "reduction", "dtype", *names}
            hint = unknown_name("argument or name in the formula", name, known)
            raise ValueError(f"Formula: '{text[:80]}' does not use {name}. {hint}")
    if not _reads_prediction(tree):
        raise ValueError(f"Formula: '{text[:80]}' does not depend on the prediction, p or x.")
    return tree


def evaluate(tree: Tree, variables: Mapping[str, safe.Quantity]) -> safe.Quantity:
    """The value of a tree."""
    if isinstance(tree, str):
        return variables[tree]
    if isinstance(tree, tuple):
        operator, *arguments = tree
        return operator.quantities(*(evaluate(a, variables) for a in arguments))
    return safe.constant(tree)


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
        return self._finite(lambda: float(node.value), node)

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
        known = [*self.variables, *self.constants]
        raise ValueError(
            f"Formula: {unknown_name('name', name, known)} Constants are given by name: {name}=1.0."
        )

    def _call(self, name: str, node: ast.Call) -> Tree:
        if name not in FUNCTIONS:
            raise ValueError(f"Formula: {unknown_name('function', name, FUNCTIONS)}")
        function = FUNCTIONS[name]
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        wrong = len(node.args) < 2 if function.arguments is None else len(node.args) != 1
        if wrong or starred or node.keywords:
            wanted = "two values or more" if function.arguments is None else "one value"
            raise ValueError(f"Formula: {name} takes {wanted}, got {self._shown(node)}.")
        return self._apply(function, node.args, node)

    def _apply(self, operator: Operator, arguments: list[ast.expr], node: ast.expr) -> Tree:
        trees = [self.read(argument) for argument in arguments]
        if all(isinstance(tree, float) for tree in trees):
            return self._finite(lambda: operator.numbers(*trees), node)
        if operator is SIGNS[ast.Div] and trees[1] == 0.0:
            raise ValueError(f"Formula: {self._shown(node)} divides by zero.")
        if operator is SIGNS[ast.Pow] and isinstance(trees[0], float) and trees[0] <= 0.0:
            raise ValueError(f"Formula: {self._shown(node)} needs a base above 0.")
        return (operator, *trees)

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


def _reads_prediction(tree: Tree) -> bool:
    if isinstance(tree, tuple):
        return any(_reads_prediction(argument) for argument in tree[1:])
    return tree in ("p", "x")


def _constant(name: str, value: Any) -> float:
    if name in RESERVED or name in VARIABLES or name in FUNCTIONS:
        raise ValueError(f"Formula: no constant can be called {name}, the word is taken.")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) < LARGEST:
        raise ValueError(f"Formula: {name} must be a finite number, got {value!r}.")
    return float(value)
