"""A search over formulas on a small proxy: filters, populations, evolution, halving."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable, Sequence

import numpy as np

from lossforge.expression import Tree
from lossforge.search.symbolic.filters import Candidate, Filters, nearest_is_alike, overlaps
from lossforge.search.symbolic.grammar import Grammar, grammar_of
from lossforge.search.symbolic.named import named_trees, tuned_trees
from lossforge.search.symbolic.output_slopes import boxes_of
from lossforge.search.symbolic.population import Training, train_population
from lossforge.search.symbolic.proposers import (
    Proposer,
    Trained,
    as_trees,
    by_chance,
    by_evolution,
    moved_numbers,
)
from lossforge.search.symbolic.slopes import Domain

WAVE = 64
FINALISTS = ((24, 2), (12, 4), (6, 8))
"""(how many are kept, seeds each is trained with): halving."""
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Proxy:
    """A small problem that stands for a recipe.

    Args:
        domain: what formulas read.
        x, y: training inputs (examples, inputs) and targets, as `train_population` takes them.
        x_seen, y_seen: validation.
        training: network and optimizer.
        logits: whether the recipe's network puts out logits, so that formulas may read them.
    """

    domain: Domain
    x: np.ndarray
    y: np.ndarray
    x_seen: np.ndarray
    y_seen: np.ndarray
    training: Training = Training()
    logits: bool = True

    def scores(self, trees: Sequence[Tree], training: Training) -> np.ndarray:
        """The validation score of a network trained with each formula; -1 where it diverged."""
        if not trees:
            return np.zeros(0)
        outputs = train_population(trees, self.domain, self.x, self.y, [self.x_seen], training)[0]
        return score_of(self.domain, outputs, self.y_seen)

    @property
    def grammar(self) -> Grammar:
        return grammar_of(self.domain.kind, self.domain.prior is not None, self.logits)

    @property
    def named(self) -> dict[str, Tree]:
        return named_trees(self.domain.kind, self.y.shape[-1], self.domain.prior is not None)


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search came to.

    Args:
        method: "evolution", "random" or "named".
        best: the winner, with its mean score over the seeds of the last rung.
        finalists: all of the last rung, best first.
        history: every formula trained, in order, with its score in the first rung.
        trained: trainings of any rung, in networks.
        filters: (filter, reached, rejected, seconds).
        seconds: in all.
        refused: why formulas of a proposer of your own could not be read.
    """

    method: str
    best: Trained
    finalists: list[Trained]
    history: list[Trained]
    trained: int
    filters: list[tuple[str, int, int, float]]
    seconds: float
    refused: Sequence[str] = ()

    @property
    def front(self) -> list[Trained]:
        """Finalists that no shorter one equals: size against score, shortest first."""
        front: list[Trained] = []
        for one in sorted(self.finalists, key=lambda t: (t.size, -t.score)):
            if not front or one.score > front[-1].score:
                front.append(one)
        return front


def score_of(domain: Domain, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Balanced accuracy; for labels of their own, the mean over both answers of each; Recall@1;
    the share of boxes with an overlap above 0.5, averaged with the mean overlap; of images, whose
    targets are what the network should add, the share of the squared error that it takes away.
    """
    broken = ~np.isfinite(outputs).all(axis=(1, 2))
    outputs = np.nan_to_num(outputs)
    if domain.kind == "boxes":
        overlap = overlaps(boxes_of(outputs), targets)
        scores = 0.5 * ((overlap > 0.5).mean(axis=-1) + overlap.mean(axis=-1))
    elif domain.kind == "embedding":
        scores = nearest_is_alike(outputs, targets)
    elif domain.kind == "image":
        errors = ((outputs - targets) ** 2).mean(axis=(1, 2)) / np.mean(targets**2)
        scores = np.maximum(1.0 - errors, -1.0)
    elif domain.is_exclusive:
        right = outputs.argmax(-1) == targets.argmax(-1)
        scores = np.mean([right[:, c].mean(axis=-1) for c in _by_class(targets)], axis=0)
    else:
        right, is_one = (outputs > 0) == (targets > 0.5), targets > 0.5
        halves = [(right & mask).sum(1) / np.maximum(mask.sum(0), 1) for mask in (is_one, ~is_one)]
        scores = np.mean(halves, axis=(0, 2))
    return np.where(broken, -1.0, scores)


def _by_class(targets: np.ndarray) -> list[np.ndarray]:
    ids = targets.argmax(-1)
    return [np.flatnonzero(ids == c) for c in np.unique(ids)]


def search_formulas(
    proxy: Proxy,
    method: str = "evolution",
    trainings: int = 600,
    minutes: float | None = None,
    seed: int = 0,
    propose: Proposer | None = None,
    tell: Callable[[int, Trained], None] = lambda trained, best: None,
) -> Found:
    """Searches the formula with the best validation score.

    Args:
        proxy: what is trained.
        method: "evolution"; "random", the same without evolution; "named", the named losses with
            their numbers tuned by chance.
        trainings: formulas trained in the first rung, the same for every method.
        minutes: in all; no new wave starts after two thirds of it, no seed of the halving after it.
        seed: of every draw.
        propose: a proposer of your own, asked after the first third in place of evolution; when
            nothing of what it gives passes the filters twenty times, the search ends.
        tell: called after each wave with (formulas trained, the best so far).
    """
    start = time.monotonic()
    rng = random.Random(seed)
    filters = Filters(proxy.domain, proxy.grammar, proxy.named)
    short = dataclasses.replace(proxy.training, steps=max(1, proxy.training.steps // 2))
    history: list[Trained] = []
    chance = by_chance(proxy.grammar, rng)
    evolution = propose or by_evolution(proxy.grammar, rng)
    queue: list[Tree] = []
    refused: list[str] = []
    if method == "named":
        prior = proxy.domain.prior is not None
        queue = tuned_trees(proxy.domain.kind, rng, trainings, proxy.y.shape[-1], prior)
    elif method == "evolution":
        queue = list(proxy.named.values())
    while len(history) < trainings:
        if minutes is not None and history and time.monotonic() - start > 40 * minutes:
            break
        evolves = method == "evolution" and len(history) >= trainings // 3
        filters.alike = 0.9999 if evolves else filters.alike
        fruitless = 0
        while len(queue) < WAVE and method != "named" and fruitless < 20:
            trees = (evolution if evolves else chance)(history)
            if evolves and propose:  # not ours: text is read, and trees are checked
                trees, no = as_trees(trees, proxy.grammar.variables)
                refused += no
            admitted = filters.passed(rng, trees)
            fruitless = 0 if admitted else fruitless + 1
            queue += [c.tree for c in (admitted if evolves else _diverse(admitted, WAVE))]
        wave, queue = queue[:WAVE], queue[WAVE:]
        if evolves:
            queue = []  # children of parents that will be known better in the next wave
        wave = wave[: trainings - len(history)]
        if not wave:
            break
        scores = proxy.scores(wave, short)
        history += [Trained(t, float(s)) for t, s in zip(wave, scores, strict=True)]
        tell(len(history), max(history, key=lambda t: t.score))
    until = math.inf if minutes is None else start + 60 * minutes
    finalists, more = _halved(proxy, rng, history, until)
    return Found(
        method=method,
        best=finalists[0],
        finalists=finalists,
        history=history,
        trained=len(history) + more,
        filters=filters.table(),
        seconds=time.monotonic() - start,
        refused=refused,
    )


def _diverse(candidates: list[Candidate], count: int) -> list[Candidate]:
    """Those whose slopes differ most: each next one is the farthest from all chosen."""
    if len(candidates) <= count:
        return candidates
    slopes = np.array([c.direction for c in candidates], np.float32)
    chosen = [0]
    nearest = slopes @ slopes[0]
    for _ in range(count - 1):
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, slopes @ slopes[chosen[-1]])
    return [candidates[i] for i in chosen]


def _halved(
    proxy: Proxy, rng: random.Random, history: list[Trained], until: float
) -> tuple[list[Trained], int]:
    """The best of the first rung, with their numbers moved, over more and more seeds.

    One seed of all is always trained; from `until` on no further one.
    """
    ranked = sorted(history, key=lambda t: (-t.score, t.size))
    trees = list(dict.fromkeys(t.tree for t in ranked[: FINALISTS[0][0] * 2]))
    trees += [m for t in ranked[:8] for m in moved_numbers(rng, t.tree, 4)]
    trees = list(dict.fromkeys(trees))
    spent, totals, seeds = 0, np.zeros(len(trees)), 0
    for keep, wanted in (*FINALISTS, (FINALISTS[-1][0], FINALISTS[-1][1] * 2)):
        while seeds < wanted and (not seeds or time.monotonic() < until):
            seeds += 1
            totals += proxy.scores(trees, dataclasses.replace(proxy.training, seed=seeds))
            spent += len(trees)
        order = np.argsort(-totals, kind="stable")[:keep]
        trees, totals = [trees[i] for i in order], totals[order]
    return [Trained(t, float(s / seeds)) for t, s in zip(trees, totals, strict=True)], spent
