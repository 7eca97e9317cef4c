"""Named losses as formulas: seeds and, with their numbers tuned, the baselines of a search."""

from __future__ import annotations

import random
from collections.abc import Mapping

from lossforge.expression import Tree, read
from lossforge.ranges import Float

Named = tuple[str, dict[str, Float], dict[str, float]]
"""(formula, ranges of its constants, their usual values)"""

_MULTICLASS: dict[str, Named] = {
    "CrossEntropy": ("-y*log(p)", {}, {}),
    "MeanAbsoluteError": ("abs(y - p)", {}, {}),
    "SquaredError": ("square(y - p)", {}, {}),
    "Focal": ("-y*(1 - p)**g*log(p)", {"g": Float(0.1, 5.0)}, {"g": 2.0}),
    "GeneralisedCrossEntropy": ("y*(1 - p**q)/q", {"q": Float(0.05, 1.0)}, {"q": 0.7}),
    "SymmetricCrossEntropy": (
        "y*(b*(1 - p) - a*log(p))",
        {"a": Float(0.01, 1.0, log=True), "b": Float(0.1, 10.0, log=True)},
        {"a": 0.1, "b": 4.0},
    ),
    "Poly1": ("y*(e*(1 - p) - log(p))", {"e": Float(-1.0, 8.0)}, {"e": 1.0}),
    "SmoothedLabels": (
        "-(y*(1 - c*s) + s)*log(p)",
        {"s": Float(0.001, 0.06)},
        {"s": 0.01},
    ),
    "TaylorCrossEntropy": (
        "y*(1 - p + square(1 - p)/2*t)",
        {"t": Float(0.0, 4.0)},
        {"t": 1.0},
    ),
    "Baikal": ("y/p - log(p)", {}, {}),
    "NGL": ("exp(2.4092 - p - p*y) - cos(cos(sin(p)))", {}, {}),
    "InverseRoot": ("aq(1, 1 + y - p/1.41421)", {}, {}),
}
_WITH_PRIOR: dict[str, Named] = {
    **_MULTICLASS,
    "WeightedCrossEntropy": ("-y*log(p)*prior**(-t)", {"t": Float(0.0, 1.5)}, {"t": 1.0}),
    "WeightedFocal": (
        "-y*(1 - p)**g*log(p)*prior**(-t)",
        {"g": Float(0.1, 3.0), "t": Float(0.0, 1.5)},
        {"g": 1.0, "t": 0.5},
    ),
}
_BITS: dict[str, Named] = {
    "CrossEntropy": ("-y*log(p) - (1 - y)*log(1 - p)", {}, {}),
    "MeanAbsoluteError": ("abs(y - p)", {}, {}),
    "SquaredError": ("square(y - p)", {}, {}),
    "Focal": (
        "-y*(1 - p)**g*log(p) - (1 - y)*p**g*log(1 - p)",
        {"g": Float(0.1, 5.0)},
        {"g": 2.0},
    ),
    "WeightedCrossEntropy": (
        "-w*y*log(p) - (1 - y)*log(1 - p)",
        {"w": Float(0.2, 10.0, log=True)},
        {"w": 2.0},
    ),
    "GeneralisedCrossEntropy": (
        "(y*(1 - p**q) + (1 - y)*(1 - (1 - p)**q))/q",
        {"q": Float(0.05, 1.0)},
        {"q": 0.7},
    ),
}
_BOXES: dict[str, Named] = {
    "IoU": ("1 - iou", {}, {}),
    "GIoU": ("2 - iou - uoe", {}, {}),
    "CSE-Autoloss-A": ("2 - iou - ioe", {}, {}),
    "CSE-Autoloss-B": ("-3/(3 - ioe - uoe)", {}, {}),
    "AlphaIoU": ("1 - iou**a", {"a": Float(0.5, 4.0)}, {"a": 3.0}),
    "WeightedGIoU": ("1 - iou + w*(1 - uoe)", {"w": Float(0.1, 5.0, log=True)}, {"w": 0.5}),
}
_EMBEDDING: dict[str, Named] = {
    "Contrastive": (
        "y*square(d) + (1 - y)*square(max(m - d, 0))",
        {"m": Float(0.2, 1.8)},
        {"m": 1.0},
    ),
    "Uniformity": (
        "y*square(d) + w*(1 - y)*exp(-2*square(d))",
        {"w": Float(0.1, 10.0, log=True)},
        {"w": 1.0},
    ),
    "Linear": ("y*d + (1 - y)*max(m - d, 0)", {"m": Float(0.2, 1.8)}, {"m": 1.0}),
}
_IMAGE: dict[str, Named] = {
    "MeanAbsoluteError": ("abs(r)", {}, {}),
    "SquaredError": ("square(r)", {}, {}),
    "Charbonnier": ("sqrt(square(r) + e)", {"e": Float(1e-8, 1e-2, log=True)}, {"e": 1e-6}),
    "LogCosh": ("softplus(2*r/s) - r/s", {"s": Float(1e-3, 0.5, log=True)}, {"s": 0.02}),
    "Cauchy": ("log(1 + square(r/s))", {"s": Float(1e-3, 0.5, log=True)}, {"s": 0.05}),
    "GemanMcClure": (
        "square(r)/(square(r) + square(s))",
        {"s": Float(1e-2, 0.5, log=True)},
        {"s": 0.1},
    ),
    "Power": ("abs(r)**a", {"a": Float(0.8, 3.0)}, {"a": 1.5}),
}
READS = {"image": ("r",), "boxes": ("iou", "ioe", "uoe"), "embedding": ("y", "d")}


def named_of(kind: str, prior: bool = False) -> Mapping[str, Named]:
    if kind in ("multiclass", "class_mask"):
        return _WITH_PRIOR if prior else _MULTICLASS
    return {"boxes": _BOXES, "embedding": _EMBEDDING, "image": _IMAGE}.get(kind, _BITS)


def named_trees(kind: str, classes: int = 10, prior: bool = False) -> dict[str, Tree]:
    """Each named loss with its usual numbers; with `prior` also those that read class shares."""
    return {
        name: _tree(kind, formula, usual, classes)
        for name, (formula, _, usual) in named_of(kind, prior).items()
    }


def tuned_trees(
    kind: str, rng: random.Random, count: int, classes: int = 10, prior: bool = False
) -> list[Tree]:
    """`count` named losses, the usual ones first, then with numbers drawn from their ranges."""
    usual = list(named_trees(kind, classes, prior).values())
    tunable = [n for n in named_of(kind, prior).values() if n[1]]
    drawn = []
    for number in range(max(0, count - len(usual))):
        formula, ranges, _ = tunable[number % len(tunable)]
        values = {name: _drawn(rng, values) for name, values in ranges.items()}
        drawn.append(_tree(kind, formula, values, classes))
    return [*usual, *drawn][:count]


def _drawn(rng: random.Random, values: Float) -> float:
    if values.log:
        return values.low * (values.high / values.low) ** rng.random()
    return rng.uniform(values.low, values.high)


def _tree(kind: str, formula: str, constants: dict[str, float], classes: int) -> Tree:
    constants = {**constants, "c": float(classes)}
    return read(formula, constants, READS.get(kind, ("y", "p", "prior")))
