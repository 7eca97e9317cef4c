"""What a formula must pass before a network is trained with it, the cheapest test first."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Iterable, Mapping

import numpy as np

from lossforge.expression import Tree, size, text
from lossforge.search.symbolic import dual
from lossforge.search.symbolic.grammar import Grammar, simplified
from lossforge.search.symbolic.output_slopes import boxes_of, slopes_of
from lossforge.search.symbolic.slopes import CLASSES, Domain

ROWS, OUTPUTS, STEPS = 50, 5, 60
SAME_AS_NAMED = 0.9999
ALIKE = 0.98
"""Cosine of two slopes on the probes beyond which a random formula is one already seen."""
CLOSE = 0.04
"""Of values whose spread is 0.2."""
STAGES = ("form", "finite", "direction", "seen before", "named", "optimises")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A formula that passed, and the direction of its slope on the probes."""

    tree: Tree
    direction: np.ndarray

    @property
    def text(self) -> str:
        return text(self.tree)

    @property
    def size(self) -> int:
        return size(self.tree)


class Filters:
    """The filters, with what they have seen.

        form         simplified; reads the label and the prediction; at most 15 parts
        finite       value and slope, on random, extreme and saturated probes
        direction    its slope is along or against cross-entropy's: turned round if against
        seen before  its slope on the probes is nearly a multiple of one seen before
        named        ... or of a named loss
        optimises    60 steps on the predictions themselves, without a network, get them right

    Args:
        domain: what formulas read.
        grammar: what they are made of.
        named: named losses, as trees.
        alike: the cosine from which two formulas are one; 1: only equal ones are.
    """

    def __init__(
        self, domain: Domain, grammar: Grammar, named: Mapping[str, Tree], alike: float = ALIKE
    ) -> None:
        self.domain, self.grammar = domain, grammar
        self.rejected = dict.fromkeys(STAGES, 0)
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.tried = 0
        self.alike = alike
        self._seen: set[bytes] = set()
        self._probes = _Probes(domain)
        self._kept = np.zeros((0, self._probes.reference.size), np.float32)
        self._count = 0
        slopes = [self._probes.slope(tree) for tree in named.values()]
        self._named = np.array([s for s in slopes if s is not None])

    def passed(self, rng: random.Random, trees: Iterable[Tree]) -> list[Candidate]:
        """Those of `trees` that pass, simplified and turned round where they must be."""
        found = [c for c in (self._one(rng, tree) for tree in trees) if c is not None]
        if not found:
            return []
        start = time.perf_counter()
        good = optimises([c.tree for c in found], self.domain)
        self.seconds["optimises"] += time.perf_counter() - start
        self.rejected["optimises"] += int(np.sum(~good))
        return [c for c, is_good in zip(found, good, strict=True) if is_good]

    def table(self) -> list[tuple[str, int, int, float]]:
        """(filter, formulas that reached it, rejected, seconds)."""
        rows, reached = [], self.tried
        for stage in STAGES:
            rows.append((stage, reached, self.rejected[stage], self.seconds[stage]))
            reached -= self.rejected[stage]
        return rows

    def _one(self, rng: random.Random, tree: Tree) -> Candidate | None:
        self.tried += 1
        clock = time.perf_counter()

        def done(stage: str, rejected: bool) -> bool:
            nonlocal clock
            now = time.perf_counter()
            self.seconds[stage] += now - clock
            self.rejected[stage] += rejected
            clock = now
            return rejected

        repaired = self.grammar.repaired(rng, tree)
        if done("form", repaired is None) or repaired is None:
            return None
        slope = self._probes.slope(repaired)
        if done("finite", slope is None) or slope is None:
            return None
        along = float(slope @ self._probes.reference)
        if done("direction", abs(along) < 0.05):
            return None
        if along < 0:
            turned = simplified(("neg", repaired))
            repaired, slope = repaired if turned is None else turned, -slope
        mark = np.round(slope * 1e3).astype(np.int16).tobytes()
        if done("seen before", mark in self._seen or self._is_alike(slope)):
            return None
        self._seen.add(mark)
        self._keep(slope)
        same = len(self._named) and np.max(self._named @ slope) > SAME_AS_NAMED
        if done("named", bool(same)):
            return None
        return Candidate(repaired, slope)

    def _is_alike(self, slope: np.ndarray) -> bool:
        if self.alike >= 1.0 or not self._count:
            return False
        return bool(np.max(self._kept[: self._count] @ slope.astype(np.float32)) > self.alike)

    def _keep(self, slope: np.ndarray) -> None:
        if self._count == len(self._kept):  # room for twice as many
            grown = np.zeros((max(256, 2 * self._count), slope.size), np.float32)
            grown[: self._count] = self._kept[: self._count]
            self._kept = grown
        self._kept[self._count] = slope
        self._count += 1


class _Probes:
    """Fixed points on which slopes are compared, and extreme ones on which they must be finite."""

    def __init__(self, domain: Domain) -> None:
        rng = np.random.default_rng(0)
        self.domain = domain
        self.outputs = len(domain.prior) if domain.prior else OUTPUTS
        if domain.kind == "boxes":
            at = rng.uniform(0.0, 1.0, (2, 64))
            at[:, -3:] = [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
            ones, zero = np.ones(64), np.zeros(64)
            self.variables = {
                "iou": dual.given(at[0], np.stack([ones, zero])),
                "uoe": dual.given(at[1], np.stack([zero, ones])),
                "ioe": dual.given(at[0] * at[1], np.stack([at[1], at[0]])),
            }
            self.reference = _unit(-np.ones(128))
            return
        if domain.kind == "embedding":
            at, self.y = np.tile(np.linspace(0.0, 2.0, 64), 2), np.repeat([0.0, 1.0], 64)
            self.reference = _unit(2.0 * self.y - 1.0)
        elif domain.kind == "image":
            half = np.concatenate([np.geomspace(1e-4, 1.0, 31), [0.0]])
            at = np.concatenate([-half, half[:-1]])
            self.y = np.zeros_like(at)
            self.reference = _unit(np.sign(at))
        else:
            self._logits(rng)
            extremes = np.array([-40.0, -20.0, -1e-9, 0.0, 1e-9, 20.0, 40.0])
            at = np.concatenate([self.odds.ravel(), extremes, extremes])
            self.y = np.concatenate([self.labels.ravel(), np.repeat([0.0, 1.0], len(extremes))])
            self.reference = _unit((self.p - self.labels).ravel())
        shares = np.resize(domain.prior, at.shape) if domain.prior else None
        self.variables = domain.variables_at(at, self.y, shares)

    def _logits(self, rng: np.random.Generator) -> None:
        x = rng.normal(0.0, 3.0, (64, self.outputs))
        if self.domain.is_exclusive:
            self.labels = np.eye(self.outputs)[rng.integers(0, self.outputs, 64)]
            others = 1.0 - np.eye(self.outputs)
            e = np.exp(x)
            self.odds, self.p = x - np.log(e @ others), e / e.sum(1, keepdims=True)
            self.others, self.rest = others, 1.0 / (1.0 + np.exp(self.odds))
        else:
            self.labels = rng.integers(0, 2, x.shape).astype(float)
            self.odds, self.p = x, 1.0 / (1.0 + np.exp(-x))

    def slope(self, tree: Tree) -> np.ndarray | None:
        """The slope in the predictions, of length 1; None where anything is not finite."""
        with np.errstate(all="ignore"):
            value, slope = dual.evaluate(tree, self.variables)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return None
        slope = np.broadcast_to(slope, self._shape()).ravel()
        if self.domain.kind in CLASSES:
            slope = slope[: self.labels.size].reshape(self.labels.shape)
            if self.domain.is_exclusive:
                slope = slope - self.p * ((slope / self.rest) @ self.others)
            slope = slope.ravel()
        length = np.linalg.norm(slope)
        return slope / length if 1e-12 < length < 1e12 else None

    def _shape(self) -> tuple[int, ...]:
        return (2, 64) if self.domain.kind == "boxes" else self.y.shape


def optimises(trees: list[Tree], domain: Domain) -> np.ndarray:
    """Whether 60 steps of Adam on predictions alone, from random ones, get them right."""
    rng = np.random.default_rng(1)
    coarse = Domain(domain.kind, domain.prior, 33 if domain.kind == "boxes" else 64, breaks=False)
    start, targets, rate = _task(domain, rng)
    found = []
    for first in range(0, len(trees), 64):
        block = trees[first : first + 64]
        with np.errstate(all="ignore"):
            slopes = slopes_of(coarse, block)
            at = np.repeat(start[None], len(block), axis=0)
            mean, square = np.zeros_like(at), np.zeros_like(at)
            for step in range(1, STEPS + 1):
                slope = slopes(at, targets)
                mean += 0.1 * (slope - mean)
                square += 0.05 * (slope * slope - square)
                at -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.95**step)) + 1e-12)
            found.append(_right(domain, at, targets))
    return np.concatenate(found) >= 0.98


def _task(domain: Domain, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.float32]:
    if domain.kind == "boxes":
        target = rng.normal(0.0, 0.7, (64, 4)).astype(np.float32)
        start = target + rng.normal(0.0, 0.4, target.shape).astype(np.float32)
        # Boxes that touch, as a detector's matched anchors do: IoU is flat apart from the others.
        touching = overlaps(boxes_of(start), boxes_of(target)) > 0.1
        start, target = start[touching], target[touching]
        return start, boxes_of(target).astype(np.float32), np.float32(0.1)
    if domain.kind == "embedding":
        start = rng.normal(size=(64, 8)).astype(np.float32)
        return start, np.repeat(np.arange(8), 8), np.float32(0.1)
    if domain.kind == "image":
        start, target = rng.normal(0.0, 0.2, (2, ROWS, OUTPUTS)).astype(np.float32)
        return start, target, np.float32(0.02)
    outputs = len(domain.prior) if domain.prior else OUTPUTS
    start = rng.normal(0.0, 1.5, (ROWS, outputs)).astype(np.float32)
    targets = rng.integers(0, 2, start.shape).astype(float)
    if domain.is_exclusive:
        targets = np.eye(outputs)[rng.integers(0, outputs, ROWS)]
    return start, targets.astype(np.float32), np.float32(0.2)


def _right(domain: Domain, at: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The share of predictions that are right, of each formula."""
    if not domain.kind == "boxes":
        at = np.nan_to_num(at)
    if domain.kind == "boxes":
        overlap = overlaps(boxes_of(at), targets)
        return (np.nan_to_num(overlap) > 0.7).mean(axis=-1)
    if domain.kind == "embedding":
        return nearest_is_alike(at, targets)
    if domain.kind == "image":
        return (np.abs(at - targets) < CLOSE).mean(axis=(-1, -2))
    if domain.is_exclusive:
        return (at.argmax(-1) == targets.argmax(-1)).mean(axis=-1)
    return ((at > 0) == (targets > 0.5)).mean(axis=(-1, -2))


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4)."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inter = np.maximum(sides, 0.0).prod(axis=-1)
    total = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return inter / np.maximum(total - inter, 1e-12)


def nearest_is_alike(embeddings: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Recall@1 by cosine, of each of K sets (K, B, D)."""
    length = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    unit = embeddings / np.maximum(length, 1e-12)
    cosine = unit @ unit.transpose(0, 2, 1)
    cosine[:, np.arange(len(ids)), np.arange(len(ids))] = -2.0
    return (ids[cosine.argmax(-1)] == ids).mean(axis=-1)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)
