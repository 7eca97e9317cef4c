"""The slope of the mean loss in a network's outputs, for many formulas at once, from their tables.

Each function takes K formulas, outputs (K, B, outputs) and targets shared by all, and returns
(K, B, outputs): what backpropagation starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lossforge.expression import Tree
from lossforge.search.symbolic import dual
from lossforge.search.symbolic.curves import Curves
from lossforge.search.symbolic.slopes import Domain

TINY = np.float32(1e-30)
SMALLEST_DISTANCE = np.float32(1e-3)
SMALLEST_REST = np.float32(2e-9)  # where the tables end


Slopes = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(outputs, targets) -> slopes."""


def slopes_of(domain: Domain, trees: Sequence[Tree]) -> Slopes:
    """Slopes of formulas that are looked up in tables."""
    tables = domain.table(trees)
    if domain.kind == "boxes":
        return lambda outputs, targets: _boxes(tables, outputs, targets)
    return _of_curves(domain, Curves(tables, *domain.range))


def exact_slopes_of(domain: Domain, trees: Sequence[Tree]) -> Slopes:
    """Slopes of formulas that are computed, one formula after the other; not of boxes."""
    return _of_curves(domain, _Computed(domain, trees))


class _Computed:
    """Stands in for `Curves`, without tables."""

    def __init__(self, domain: Domain, trees: Sequence[Tree]) -> None:
        self.domain, self.trees = domain, trees

    def at(self, place: np.ndarray, label: np.ndarray) -> np.ndarray:
        shares = np.array(self.domain.prior) if self.domain.prior else None
        slopes = np.empty_like(place)
        for number, tree in enumerate(self.trees):
            variables = self.domain.variables_at(place[number], label.astype(float), shares)
            slopes[number] = dual.evaluate(tree, variables)[1]
        return slopes


def _of_curves(domain: Domain, curves: Curves | _Computed) -> Slopes:
    way: Callable[[Curves | _Computed, np.ndarray, np.ndarray], np.ndarray] = _sigmoid
    if domain.kind == "embedding":
        way = _embeddings
    elif domain.kind == "image":
        way = _residuals
    elif domain.is_exclusive:
        way = _softmax
    return lambda outputs, targets: way(curves, outputs, targets)


def _softmax(curves: Curves | _Computed, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """sum_c f(y_c, p_c): s_k - p_k sum over c != k of s_c / (1 - p_c), s = df / d log-odds.

    Sums over the other classes are products with a matrix of ones without its diagonal: a
    difference would cancel where p is near 1.
    """
    classes = outputs.shape[-1]
    others = np.ones((classes, classes), np.float32) - np.eye(classes, dtype=np.float32)
    e = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    rest = e @ others
    np.maximum(rest, TINY, out=rest)
    odds = np.log(np.maximum(e, TINY)) - np.log(rest)
    total = e.sum(axis=-1, keepdims=True)
    slope = curves.at(odds, targets)
    rest /= total
    np.maximum(rest, SMALLEST_REST if rest.dtype == np.float32 else TINY, out=rest)
    shared = (slope / rest) @ others
    shared *= e
    shared /= total
    slope -= shared
    return slope / np.float32(outputs.shape[1])


def _sigmoid(curves: Curves | _Computed, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """mean_c f(y_c, p_c)."""
    return curves.at(outputs, targets) / np.float32(outputs.shape[1] * outputs.shape[2])


def _residuals(curves: Curves | _Computed, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """mean_c f(y_c - p_c)."""
    residual = targets - outputs
    slope = curves.at(residual, np.zeros(targets.shape, int))
    return -slope / np.float32(outputs.shape[1] * outputs.shape[2])


def _embeddings(curves: Curves | _Computed, outputs: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Means over pairs of the same class and over the others, of f(y, d)."""
    batch = outputs.shape[1]
    length = np.sqrt((outputs**2).sum(axis=-1, keepdims=True) + TINY)
    unit = outputs / length
    squared = 2.0 - 2.0 * (unit @ unit.transpose(0, 2, 1))
    distance = np.sqrt(np.maximum(squared, SMALLEST_DISTANCE**2))
    same = ids[:, None] == ids[None, :]
    positive = same & ~np.eye(batch, dtype=bool)
    share = np.where(same, positive / np.maximum(positive.sum(1, keepdims=True), 1),
                     ~same / np.maximum((~same).sum(1, keepdims=True), 1))  # fmt: skip
    slope = curves.at(distance, same)
    slope *= share.astype(slope.dtype)
    slope[squared <= SMALLEST_DISTANCE**2] = 0.0
    slope = (slope + slope.transpose(0, 2, 1)) / distance
    moved = slope.sum(axis=-1, keepdims=True) * unit - slope @ unit
    moved -= (moved * unit).sum(axis=-1, keepdims=True) * unit
    return (moved / length / np.float32(batch)).astype(outputs.dtype)


def boxes_of(outputs: np.ndarray) -> np.ndarray:
    """Corners (..., 4) of boxes in the unit square, from four logits: centre and sides."""
    centre, sides = np.split(1.0 / (1.0 + np.exp(-outputs)), 2, axis=-1)
    return np.concatenate([centre - 0.5 * sides, centre + 0.5 * sides], axis=-1)


def _boxes(tables: np.ndarray, outputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """mean_b f(i/u, u/e) of boxes given as four logits."""
    shares = 1.0 / (1.0 + np.exp(-outputs))
    corner = boxes_of(outputs)
    low, high = (
        np.maximum(corner[..., :2], target[:, :2]),
        np.minimum(corner[..., 2:], target[:, 2:]),
    )
    hull_low = np.minimum(corner[..., :2], target[:, :2])
    hull_high = np.maximum(corner[..., 2:], target[:, 2:])
    inside, around = np.maximum(high - low, 0.0), hull_high - hull_low
    sides = shares[..., 2:]
    i, a, e = (x[..., 0] * x[..., 1] for x in (inside, sides, around))
    u = a + (target[:, 2:] - target[:, :2]).prod(axis=-1) - i
    by_iou, by_uoe = _surface(tables, i / u, u / e)
    to_u = by_uoe / e - by_iou * i / (u * u)
    to_i, to_e = by_iou / u - to_u, -by_uoe * u / (e * e)
    other = (..., slice(None, None, -1))
    edge = np.where((inside > 0).all(-1, keepdims=True), inside[other], 0.0) * to_i[..., None]
    hull = around[other] * to_e[..., None]
    to_low = -edge * (corner[..., :2] >= target[:, :2]) - hull * (corner[..., :2] < target[:, :2])
    to_high = edge * (corner[..., 2:] <= target[:, 2:]) + hull * (corner[..., 2:] > target[:, 2:])
    to_sides = 0.5 * (to_high - to_low) + sides[other] * to_u[..., None]
    slope = np.concatenate([to_low + to_high, to_sides], axis=-1) * shares * (1.0 - shares)
    return (slope / outputs.shape[1]).astype(np.float32)


def _surface(tables: np.ndarray, iou: np.ndarray, uoe: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both slopes (K, B), bilinear in the tables (K, 2, points, points)."""
    points = tables.shape[-1]
    which = np.arange(len(tables))[:, None]
    found = []
    place = [np.clip(x * (points - 1), 0.0, points - 1.001) for x in (iou, uoe)]
    row, column = (p.astype(int) for p in place)
    down, across = place[0] - row, place[1] - column
    for side in (0, 1):
        corner = [tables[which, side, row + r, column + c] for r in (0, 1) for c in (0, 1)]
        top = corner[0] + across * (corner[1] - corner[0])
        low = corner[2] + across * (corner[3] - corner[2])
        found.append(top + down * (low - top))
    return found[0], found[1]
