"""What formulas a search may write: random ones, changed ones, and their simplest form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from random import Random

from lossforge.expression import OPERATORS, Tree, size, text, variables_of
from lossforge.search.symbolic import dual

LARGEST = 15
PASSES = 3  # one rewriting may make room for another
UNARY = ("neg", "abs", "square", "sqrt", "log", "exp", "tanh", "softplus", "sigmoid")
BINARY = ("add", "sub", "mul", "aq", "min", "max")
CONSTANTS = (0.5, 1.0, 2.0)


@dataclasses.dataclass(frozen=True)
class Grammar:
    """Trees over some variables.

    Args:
        variables: what leaves may read.
        required: sets of variables, of each of which a formula must read one.
    """

    variables: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]

    def random(self, rng: Random) -> Tree:
        """A tree of 3 to 15 parts, not simplified."""
        return self._grown(rng, rng.randint(3, LARGEST))

    def repaired(self, rng: Random, tree: Tree) -> Tree | None:
        """The simplest form, with what it must read put in; None if there is none that fits."""
        short = simplified(tree)
        for wanted in self.required:
            if short is not None and not variables_of(short) & set(wanted):
                leaves = [p for p in places(short) if not isinstance(part(short, p), tuple)]
                short = simplified(replaced(short, rng.choice(leaves), rng.choice(wanted)))
        if short is None or size(short) > LARGEST:
            return None
        read = variables_of(short)
        return short if all(read & set(wanted) for wanted in self.required) else None

    def mutated(self, rng: Random, tree: Tree) -> Tree:
        """One part replaced, wrapped, taken out, or (a number) moved."""
        place = rng.choice(places(tree))
        old = part(tree, place)
        way = rng.random()
        if isinstance(old, float):
            new: Tree = old * math.exp(rng.gauss(0.0, 0.3)) if way < 0.8 else self._leaf(rng)
        elif way < 0.35:
            new = self._grown(rng, rng.randint(1, 5))
        elif way < 0.55 and isinstance(old, tuple):
            new = rng.choice(old[1:])
        elif way < 0.75:
            new = (rng.choice(UNARY), old)
        else:
            pair = [old, self._grown(rng, rng.randint(1, 3))]
            rng.shuffle(pair)
            new = (rng.choice(BINARY), *pair)
        return replaced(tree, place, new)

    def crossed(self, rng: Random, one: Tree, other: Tree) -> Tree:
        """`one` with a part of `other` in it."""
        return replaced(one, rng.choice(places(one)), part(other, rng.choice(places(other))))

    def _grown(self, rng: Random, parts: int) -> Tree:
        if parts <= 1:
            return self._leaf(rng)
        if parts == 2 or rng.random() < 0.35:
            return (rng.choice(UNARY), self._grown(rng, parts - 1))
        left = rng.randint(1, parts - 2)
        return (rng.choice(BINARY), self._grown(rng, left), self._grown(rng, parts - 1 - left))

    def _leaf(self, rng: Random) -> Tree:
        leaves: Sequence[Tree] = self.variables if rng.random() < 0.7 else CONSTANTS
        return rng.choice(leaves)


def grammar_of(kind: str, prior: bool = False, logits: bool = True) -> Grammar:
    """The grammar of a Kind; logits are only read where they are the log-odds."""
    if kind == "boxes":
        return Grammar(("iou", "ioe", "uoe"), (("iou", "ioe"),))
    if kind == "image":
        return Grammar(("r",), (("r",),))
    if kind == "embedding":
        return Grammar(("y", "d"), (("y",), ("d",)))
    exclusive = kind in ("multiclass", "class_mask")
    predictions = ("p",) if exclusive or not logits else ("p", "x")
    return Grammar(("y", *predictions, *(("prior",) if prior else ())), (("y",), predictions))


Place = tuple[int, ...]


def places(tree: Tree) -> list[Place]:
    """Where each part of a tree is."""
    found: list[Place] = [()]
    if isinstance(tree, tuple):
        for index, argument in enumerate(tree[1:], 1):
            found += [(index, *place) for place in places(argument)]
    return found


def part(tree: Tree, place: Place) -> Tree:
    for index in place:
        assert isinstance(tree, tuple), "the place is not in the tree"
        tree = tree[index]
    return tree


def replaced(tree: Tree, place: Place, new: Tree) -> Tree:
    if not place:
        return new
    assert isinstance(tree, tuple), "the place is not in the tree"
    index, *rest = place
    return (*tree[:index], replaced(tree[index], tuple(rest), new), *tree[index + 1 :])


def numbers_of(tree: Tree) -> list[Place]:
    return [place for place in places(tree) if isinstance(part(tree, place), float)]


def simplified(tree: Tree) -> Tree | None:
    """A tree with fewer parts, equal for all numbers that its variables may be; None where it
    holds a number that is not finite.

    What operators know to be positive stays so, and nothing else becomes so: by it they choose how
    a logarithm goes on at 0 and below. A rewriting that would change it is not done.

    >>> from lossforge.expression import read, text
    >>> text(simplified(read("neg(neg(p*1)) + abs(square(-p))", {}, ("y", "p"))))
    'p + square(p)'
    """
    short = _with_numbers_folded(tree)
    for _ in range(PASSES):
        before, short = short, None if short is None else _shortened(short)
        if short == before:
            break
    return short


def _with_numbers_folded(tree: Tree) -> Tree | None:
    """As `read` gives it: no operator over numbers alone."""
    if not isinstance(tree, tuple):
        return tree
    arguments = [_with_numbers_folded(a) for a in tree[1:]]
    if any(a is None for a in arguments):
        return None
    numbers = [a for a in arguments if isinstance(a, float)]
    return _folded(tree[0], numbers) if len(numbers) == len(arguments) else (tree[0], *arguments)


def _shortened(tree: Tree) -> Tree | None:
    if not isinstance(tree, tuple):
        return tree
    arguments: list[Tree] = []
    for argument in tree[1:]:
        short = _shortened(argument)
        if short is None:
            return None
        arguments.append(short)
    name = tree[0]
    if name in ("pow", "div") and isinstance(arguments[1], float) > isinstance(tree[2], float):
        return tree  # exponents and divisors that are numbers have rules of their own
    if name in ("add", "mul"):  # not min and max: on a tie the slope is that of the first
        arguments.sort(key=_rank)
    numbers = [a for a in arguments if isinstance(a, float)]
    if len(numbers) == len(arguments):
        found = _folded(name, numbers)
        return found if found is None or _alike(found, tree) else tree
    if len(arguments) == 1:
        ways = [_one(name, arguments[0]), (name, *arguments)]
    else:
        ways = [_two(name, *arguments)] if len(arguments) == 2 else []
        ways.append((name, *arguments))
    return next((way for way in ways if _alike(way, tree)), tree)


def _alike(one: Tree, other: Tree) -> bool:
    return dual.log_form(one) == dual.log_form(other)


def _rank(tree: Tree) -> tuple[bool, str]:
    return isinstance(tree, float), text(tree)


def _folded(name: str, numbers: list[float]) -> float | None:
    try:
        value = float(OPERATORS[name].numbers(*numbers))
    except (ArithmeticError, ValueError):
        return None
    return value if abs(value) < 1e6 else None


def _one(name: str, a: Tree) -> Tree:
    if not isinstance(a, tuple):
        return a if name == "abs" and a == "p" else (name, a)
    inner = a[0]
    if name == "neg" and inner == "neg":
        return a[1]
    if name == "neg" and inner == "sub":
        return ("sub", a[2], a[1])
    if name in ("abs", "square") and inner in ("neg", "abs"):
        return _one(name, a[1])
    if name == "abs" and inner in ("square", "sqrt", "exp", "sigmoid", "softplus"):
        return a
    if name == "log" and inner == "exp":
        return a[1]
    if name == "sqrt" and inner == "square":
        return _one("abs", a[1])
    return (name, a)


def _two(name: str, a: Tree, b: Tree) -> Tree:
    if a == b:
        if name in ("min", "max"):
            return a
        if name == "sub":
            return 0.0
        if name == "mul":
            return _one("square", a)
    if name in ("add", "sub") and b == 0.0:
        return a
    if name == "sub" and a == 0.0:
        return _one("neg", b)
    if name in ("mul", "aq") and 0.0 in (a, b) and (name == "mul" or a == 0.0):
        return 0.0
    if (name == "mul" and b == 1.0) or (name == "aq" and b == 0.0):
        return a
    if name == "add" and isinstance(b, tuple) and b[0] == "neg":
        return _two("sub", a, b[1])
    if name == "sub" and isinstance(b, tuple) and b[0] == "neg":
        return _two("add", *sorted((a, b[1]), key=_rank))
    return (name, a, b)
