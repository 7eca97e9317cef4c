"""A loss from a formula: read by a parser with a white list, never run as code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from keras import ops

from lossforge import expression
from lossforge.errors import unknown_name
from lossforge.expression import Tree
from lossforge.losses import safe_operators as safe
from lossforge.losses.base import Loss, argument_names, mean_over_last_axis
from lossforge.losses.boxes import box_geometry as geometry
from lossforge.losses.boxes.overlap import boxes
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.distances import pairwise

TASKS = (*logp.TASKS, "mask", "class_mask", "regression", "image", "boxes", "embedding")
READ_AS = {"mask": "multilabel", "class_mask": "multiclass", "image": "regression"}
"""Tasks with spatial axes are the plain ones at each pixel."""
VARIABLES = ("y", "p", "x", "r", "prior", "iou", "ioe", "uoe", "d")
RESERVED = (*VARIABLES, "name", "reduction", "dtype", "weight", "terms")


def _of_all(two: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: reduce(two, arguments)


SAFE: dict[str, Callable[..., safe.Quantity]] = {
    "add": safe.add,
    "sub": safe.subtract,
    "mul": safe.multiply,
    "div": safe.divide,
    "pow": safe.power,
    "neg": safe.negative,
    "log": safe.log,
    "exp": safe.exp,
    "sqrt": safe.sqrt,
    "abs": safe.absolute,
    "square": safe.square,
    "tanh": safe.plain("tanh"),
    "sigmoid": safe.sigmoid,
    "softplus": safe.softplus,
    "sin": safe.plain("sin"),
    "cos": safe.plain("cos"),
    "atan": safe.plain("arctan"),
    "erf": safe.plain("erf"),
    "aq": safe.analytic_quotient,
    "min": _of_all(safe.smallest),
    "max": _of_all(safe.largest),
}


class Formula(Loss):
    """A loss from its formula, written as in a paper.

        Formula("-(1-p)**gamma * y*log(p)", gamma=2.0)

    Names: y the target, p the prediction (a probability, except in regression), x the logit, r the
    residual y - p of regression, prior the share of class c; constants are given by name.
    Functions: log, exp, sqrt, abs, neg, square, min, max, tanh, sigmoid, softplus, sin, cos, atan,
    erf, and the analytic quotient aq(a, b) = a / sqrt(1 + b^2). Signs: + - * / **.

        multiclass            loss = sum_c  formula(y_c, p_c)    p = softmax(x), y one-hot
        binary, multilabel    loss = mean_c formula(y_c, p_c)    p = sigmoid(x); y = 0 as well
        regression            loss = mean_d formula(y_d, p_d)    p is the prediction itself
        boxes                 loss = formula(iou, ioe, uoe)      shares i/u, i/e, u/e of areas:
                                                                 intersection, union, hull
        embedding             loss = mean over j of the same class of formula(y=1, d_ij)
                                   + mean over the others of formula(y=0, d_ij)
                                                                 d = |unit(i) - unit(j)|, in [0, 2]

    "mask" is multilabel, "class_mask" multiclass and "image" regression at every pixel.

    Probabilities and what is made of them keep their logarithms, so that `log(p)`, `log(1-p)`,
    `(1-p)**gamma` and `y/p` have a finite value and a slope for every logit.

    Reads: y_pred: (batch, ..., C) probabilities, or logits with `from_logits=True`; in regression
        real numbers; (batch, ..., 4) boxes x1 y1 x2 y2; (batch, D) embeddings. y_true: alike;
        class ids (batch, ...) also for classes, and (batch,) for embeddings.
    Returns: (batch, ...).
    Edges: of embeddings, a row that has no pair of a sort has 0 for it. Outside of their domains
        operators continue: log below 1e-7 and exp above 30 by their tangents, sqrt and real powers
        of negative numbers are 0, divisors stay 1e-7 off zero.
    Source: the formula's own; the operators are those of symbolic loss search (Liu et al. 2021,
        Loss Function Discovery for Object Detection via Convergence-Simulation Driven Search), the
        quotient is Ni et al. 2013, The Use of an Analytic Quotient Operator in Genetic Programming.

    >>> float(Formula("-(1-p)**gamma * y*log(p)", gamma=2.0)([1], [[0.0, 1.0]]))
    0.0

    Args:
        formula: the text, at most 1000 characters. It must read the prediction.
        task: "binary", "multiclass", "multilabel", "mask", "class_mask", "regression", "image",
            "boxes" or "embedding". None: binary for one output, else multiclass.
        from_logits: whether predictions are logits; x can only be read from these.
        prior: the share of each class in the training data, for formulas that read it.
        constants: finite numbers, by the names that the formula uses.

    Raises:
        ValueError: for text that is not a formula, names that do not exist, anything that is not
            arithmetic, constants that are not finite, missing or not used.
    """

    open_arguments = True
    memory = "O(B), O(B^2) for embeddings"
    minimum = None
    kinds: tuple[str, ...] = ("multiclass", "binary", "multilabel", *TASKS[3:])
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
        *(
            {"formula": text, "task": task}
            for task in (*logp.TASKS, "regression")
            for text in (
                "abs(y-p)**1.5 + max(sqrt(square(y-p)), 0.1, atan(y-p))",
                "tanh(square(y-p)) + erf((y-p)**2) + sin(min(abs(y-p), 1)) - cos(y - p)",
            )
        ),
        {"formula": "sqrt(s**2 + (y - p)**2) - s", "s": 0.01, "task": "regression"},
        {"formula": "log(exp(y-p) + exp(p-y)) + (y-p)*(sigmoid(y-p) - .5)", "task": "regression"},
        {
            "formula": "-y*log(p + t*log(prior)**2) + aq(p - y, 1 - y)",
            "t": 0.1,
            "prior": (0.4, 0.3, 0.1, 0.1, 0.1),
            "task": "multiclass",
        },
        {"formula": "-y*log(p) - (1-y)*log(1-p) + aq(square(y - p), x)", "task": "mask"}
        | {"from_logits": True},
        {"formula": "-y*log(p)", "task": "class_mask"},
        {"formula": "sqrt(square(y - p) + 1e-6) - 1e-3", "task": "image"},
        {"formula": "2 - iou - ioe", "task": "boxes"},
        {"formula": "square(1 - iou) + 1 - uoe", "task": "boxes"},
        {"formula": "y*square(d) + (1 - y)*square(max(0, m - d))", "m": 1.5, "task": "embedding"},
    )

    def __init__(
        self,
        formula: str,
        task: str | None = None,
        from_logits: bool = False,
        prior: Sequence[float] | None = None,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
        **constants: float,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if task is not None and task not in TASKS:
            raise ValueError(f"Formula: task must be one of {', '.join(TASKS)}, got {task!r}.")
        self.plain_task = task if task is None else READ_AS.get(task, task)
        if self.plain_task not in (None, *logp.TASKS) and from_logits:
            raise ValueError(f"Formula: {task} reads no logits, got from_logits=True.")
        self.formula = formula
        self.task = task
        self.from_logits = bool(from_logits)
        self.prior = _check_prior(prior)
        self.constants = {
            n: expression.check_constant(n, value, RESERVED) for n, value in constants.items()
        }
        self.tree = expression.read(formula, self.constants, self._readable())
        _check_used(formula, self.constants)
        if self.prior and "prior" not in expression.variables_of(self.tree):
            raise ValueError(f"Formula: '{formula[:80]}' does not use prior.")
        self.batch_coupled = task == "embedding"
        if task is not None:  # in a slot that offers several readings, its own
            self.kinds = (task,)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), **self.constants}

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        if self.task == "embedding":
            return self._pairs(y_true, y_pred, counts)
        if self.task == "boxes":
            return self._boxes(y_true, y_pred)
        task = self.plain_task
        if task != "regression":
            task = logp.task_of(task, y_pred)
        values = evaluate(self.tree, self._variables(task, y_true, y_pred)).value
        values = ops.broadcast_to(values, ops.shape(y_pred))
        return ops.sum(values, axis=-1) if task == "multiclass" else mean_over_last_axis(values)

    def _readable(self) -> tuple[str, ...]:
        if self.task == "boxes":
            return ("iou", "ioe", "uoe")
        if self.task == "embedding":
            return ("y", "d")
        if self.plain_task == "regression":
            return ("y", "p", "r")
        logits = ("x",) if self.from_logits else ()
        return ("y", "p", *logits, *(("prior",) if self.prior else ()))

    def _variables(self, task: str, y_true: Any, y_pred: Any) -> dict[str, safe.Quantity]:
        if task == "regression":
            y = logp.binary_targets(y_true, y_pred)
            r = safe.tensor(y - y_pred)
            return {"y": safe.tensor(y), "p": safe.tensor(y_pred), "r": r}
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
            "p": safe.probability(values[0], values[1], logs[0], logs[1]),
            "x": safe.tensor(y_pred),
            **self._priors(y_pred),
        }

    def _priors(self, y_pred: Any) -> dict[str, safe.Quantity]:
        if not self.prior:
            return {}
        if y_pred.shape[-1] != len(self.prior):
            raise ValueError(
                f"Formula: prior has {len(self.prior)} shares, predictions have "
                f"{y_pred.shape[-1]} classes."
            )
        prior = ops.convert_to_tensor(self.prior, y_pred.dtype)
        return {"prior": safe.Quantity(lambda: prior, lambda: ops.log(prior))}

    def _boxes(self, y_true: Any, y_pred: Any) -> Any:
        y_true = boxes(y_true, y_pred)
        i, u = geometry.intersection(y_true, y_pred), geometry.union(y_true, y_pred)
        e = geometry.area(geometry.hull(y_true, y_pred))
        shares = {"iou": (i, u), "ioe": (i, e), "uoe": (u, e)}
        read = {n: safe.tensor(geometry.divide(*pair)) for n, pair in shares.items()}
        return evaluate(self.tree, read).value + ops.zeros_like(i)

    def _pairs(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        labels, counts = pairs.check_batch("Formula", y_true, y_pred, counts)
        positive, negative = pairs.same_and_other(labels, counts)
        distance = safe.tensor(pairwise(y_pred, distance="chord"))
        total = 0.0
        for mask, y in ((positive, 1.0), (negative, 0.0)):
            values = evaluate(self.tree, {"y": safe.constant(y), "d": distance}).value
            total = total + pairs.mean_where(mask, ops.broadcast_to(values, ops.shape(mask)))
        return pairs.where_nan(y_pred, total)


def evaluate(tree: Tree, variables: Mapping[str, safe.Quantity]) -> safe.Quantity:
    """The value of a tree."""
    if isinstance(tree, str):
        return variables[tree]
    if isinstance(tree, tuple):
        operator, *arguments = tree
        return SAFE[operator](*(evaluate(a, variables) for a in arguments))
    return safe.constant(tree)


def _check_used(formula: str, constants: Mapping[str, float]) -> None:
    names = expression.names_in(formula)
    for name in constants:
        if name not in names:
            known = {*argument_names(Formula), "name", "reduction", "dtype", *names}
            hint = unknown_name("argument or name in the formula", name, known)
            raise ValueError(f"Formula: '{formula.strip()[:80]}' does not use {name}. {hint}")


def _check_prior(prior: Any) -> list[float] | None:
    if prior is None:
        return None
    numbers = isinstance(prior, Sequence) and not isinstance(prior, str) and len(prior) > 0
    if not numbers or not all(isinstance(v, int | float) and 0.0 < v <= 1.0 for v in prior):
        raise ValueError(
            f"Formula: prior must be a list of shares in (0, 1], one a class, got {prior!r}."
        )
    return [float(v) for v in prior]
