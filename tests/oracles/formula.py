"""Formulas, one number at a time."""

import ast
import math
import operator

import numpy as np
from oracles.boxes.overlap import each_pair
from oracles.boxes.searched import areas
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
    "aq": lambda a, b: a / math.sqrt(1 + b * b),
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


def formula(y_true, y_pred, formula, task, from_logits, prior=None, **constants):
    tree = ast.parse(formula, mode="eval").body
    if task == "boxes":
        return boxes(y_true, y_pred, tree=tree)
    if task == "embedding":
        return pairs(y_true, y_pred, tree, constants)
    exclusive = task in ("multiclass", "class_mask")
    plain = task in ("regression", "image")
    rows = y_pred.reshape(-1, y_pred.shape[-1])
    labels = y_true.reshape(-1) if exclusive else y_true.reshape(len(rows), -1)
    losses = []
    for label, row in zip(labels, rows, strict=True):
        values = []
        for c in range(len(row)):
            y = float(label == c) if exclusive else label[c]
            softmax = "multiclass" if exclusive else "multilabel"
            p = row[c] if plain else probability(row, c, softmax, from_logits)
            names = {"y": y, "p": p, "x": row[c], **constants}
            names |= {"prior": prior[c]} if prior else {}
            values.append(number(tree, names))
        losses.append(sum(values) / (1 if exclusive else len(row)))
    return np.array(losses).reshape(y_pred.shape[:-1])


@each_pair
def boxes(a, b, tree):
    i, u, e = areas(a, b)
    return number(tree, {"iou": i / u, "ioe": i / e, "uoe": u / e})


def pairs(labels, embeddings, tree, constants):
    unit = [row / np.linalg.norm(row) for row in embeddings]
    losses = []
    for i, anchor in enumerate(unit):
        values = {True: [], False: []}
        for j, other in enumerate(unit):
            if i != j:
                same, d = labels[i] == labels[j], np.linalg.norm(anchor - other)
                values[bool(same)].append(number(tree, {"y": float(same), "d": d, **constants}))
        losses.append(sum(np.mean(v) for v in values.values() if v))
    return np.array(losses)
