"""Formulas, one number at a time."""

import ast
import math
import operator

import numpy as np
from oracles.classification.cross_entropy import probability

SIGNS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
FUNCTIONS = {
    "neg": operator.neg,
    "square": lambda v: v * v,
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "softplus": lambda v: math.log(1 + math.exp(v)),
    "min": min,
    "max": max,
    "abs": abs,
}


def number(node, names):
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp):
        return -number(node.operand, names)
    if isinstance(node, ast.BinOp):
        return SIGNS[type(node.op)](number(node.left, names), number(node.right, names))
    function = FUNCTIONS.get(node.func.id) or getattr(math, node.func.id)
    return function(*(number(argument, names) for argument in node.args))


def formula(y_true, y_pred, formula, task, from_logits, **constants):
    tree = ast.parse(formula, mode="eval").body
    losses = []
    for label, row in zip(y_true, y_pred, strict=True):
        values = []
        for c in range(len(row)):
            y = float(label == c) if task == "multiclass" else label[c]
            p = row[c] if task == "regression" else probability(row, c, task, from_logits)
            values.append(number(tree, {"y": y, "p": p, "x": row[c], **constants}))
        losses.append(sum(values) / (1 if task == "multiclass" else len(row)))
    return np.array(losses)
