"""Who proposes formulas: chance, evolution, or anything with the same one function.

A proposer is a function `propose(history) -> formulas`. `history` holds every formula trained so
far with its score, in order; what it returns is text (read by the parser, never run) or trees. The
filters judge what it proposes as they judge everything else. A language model fits here, in the
user's own code: the library calls no network.

    def propose(history):
        best = max(history, key=lambda trained: trained.score)
        return [f"{best.text} + 0.1*square(y - p)"]

    search_formulas(proxy_of(recipe)[0], propose=propose)
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lossforge.expression import Tree, read, size, text
from lossforge.search.symbolic.grammar import Grammar, numbers_of, part, replaced


class Trained(NamedTuple):
    """A formula and the score of the network trained with it."""

    tree: Tree
    score: float

    @property
    def text(self) -> str:
        return text(self.tree)

    @property
    def size(self) -> int:
        return size(self.tree)


Proposer = Callable[[Sequence[Trained]], Sequence[str | Tree]]


def by_chance(grammar: Grammar, rng: random.Random, count: int = 1500) -> Proposer:
    """Random trees, whatever the history."""
    return lambda history: [grammar.random(rng) for _ in range(count)]


def by_evolution(
    grammar: Grammar,
    rng: random.Random,
    population: int = 50,
    tournament: int = 10,
    crossover: float = 0.3,
    count: int = 200,
) -> Proposer:
    """Regularised evolution: parents win a tournament among the youngest, whoever is old dies.

    Source: Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search.
    """
    young: deque[Trained] = deque(maxlen=population)
    told = 0

    def propose(history: Sequence[Trained]) -> list[Tree]:
        nonlocal told
        fresh = list(history[told:])
        if not told:  # the first generation begins with the best of what chance found
            fresh = sorted(fresh, key=lambda t: t.score)[-population:]
        young.extend(fresh)
        told = len(history)
        children = []
        for _ in range(count):
            mother = max(rng.sample(list(young), min(tournament, len(young))), key=_fitness)
            child = mother.tree
            if rng.random() < crossover:
                father = max(rng.sample(list(young), min(tournament, len(young))), key=_fitness)
                child = grammar.crossed(rng, child, father.tree)
            children.append(grammar.mutated(rng, child))
        return children

    return propose


def moved_numbers(rng: random.Random, tree: Tree, count: int, spread: float = 0.3) -> list[Tree]:
    """The tree with its numbers moved a little, `count` times; [] where it has none."""
    found = []
    for _ in range(count if numbers_of(tree) else 0):
        moved = tree
        for place in numbers_of(tree):
            value = part(tree, place) * 2.718281828 ** rng.gauss(0.0, spread)
            moved = replaced(moved, place, float(f"{value:.4g}"))
        found.append(moved)
    return found


def as_trees(
    proposed: Sequence[str | Tree], variables: tuple[str, ...]
) -> tuple[list[Tree], list[str]]:
    """(trees, why others were refused); text is parsed against the white list, and trees by their
    text.

    Raises:
        ValueError: for anything but a list of formulas.
    """
    if isinstance(proposed, str) or not isinstance(proposed, Sequence):
        raise ValueError(
            f"propose must return a list of formulas, got {type(proposed).__name__}: "
            f"{str(proposed)[:80]!r}."
        )
    trees, refused = [], []
    for one in proposed:
        try:
            trees.append(read(one if isinstance(one, str) else text(one), {}, variables))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            refused.append(str(error)[:300])
    return trees, refused


def _fitness(trained: Trained) -> float:
    """The score, less a thousandth for ten parts: of equals the shorter one."""
    return trained.score - 1e-4 * trained.size
