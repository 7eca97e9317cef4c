"""Finds what a text such as `box.gamma` means in the loss that a model trains on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from lossforge.errors import UsageError, unknown_name
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite


class Parameter(NamedTuple):
    """One number of a loss, or the weight of a term: where it is, and how to set it."""

    owner: Loss
    name: str

    @property
    def is_weight(self) -> bool:
        return isinstance(self.owner, Composite)

    @property
    def value(self) -> Any:
        return self.owner.weight(self.name) if self.is_weight else getattr(self.owner, self.name)

    def set(self, value: Any) -> None:
        if self.is_weight:
            self.owner.current[self.name] = value
        else:
            setattr(self.owner, self.name, value)


def root_loss(model: keras.Model) -> Loss:
    """The loss that a model trains on: a TermModel's slots, or the loss given to `compile`.

    Raises:
        UsageError: for a model without a lossforge loss, or with several.
    """
    if isinstance(getattr(model, "terms", None), Composite):
        return model.terms
    found = [x for x in keras.tree.flatten(getattr(model, "loss", None)) if isinstance(x, Loss)]
    if len(found) != 1:
        raise UsageError(
            f"This callback needs one lossforge loss in compile(loss=...), found {len(found)}. "
            "For several outputs use lossforge.TermModel."
        )
    return found[0]


def find_parameter(model: keras.Model, target: str) -> Parameter:
    """`"<term>.<parameter>"`, `"<term>.weight"`, or `"<parameter>"` of a model's only loss.

    A term is its path in the logs (`box/giou`), or its last name where that is unique. A parameter
    may belong to a loss inside a wrapper: `focal.gamma` in `HardExamples(Focal(), keep=0.5)`.

    Raises:
        UsageError: for a term or parameter that does not exist, or is not a number.
    """
    root = root_loss(model)
    path, dot, name = target.rpartition(".")
    if not dot and isinstance(root, Composite):
        raise UsageError(f"'{target}': write '<term>.<parameter>', such as 'box.weight'.")
    if name == "weight" and dot:
        return find_term(model, path)
    loss = find_term(model, path).owner.losses[_last(path)] if dot else root
    numbers = {n: owner for owner in _inside(loss) for n in _numbers(owner)}
    if name not in numbers:
        raise UsageError(f"'{target}': {unknown_name(f'number of {loss.name}', name, numbers)}")
    return Parameter(numbers[name], name)


def find_term(model: keras.Model, path: str) -> Parameter:
    """The weight of the term at `path`.

    Raises:
        UsageError: for a term that does not exist, or a short name that several have.
    """
    root = root_loss(model)
    if not isinstance(root, Composite):
        raise UsageError(f"'{path}': the model's loss has no terms; wrap it in a Composite.")
    terms = dict(_terms(root))
    matches = [p for p in terms if p == path] or [p for p in terms if _last(p) == path]
    if len(matches) > 1:
        raise UsageError(f"Several terms are called '{path}': {', '.join(sorted(matches))}.")
    if not matches:
        raise UsageError(unknown_name("term", path, terms))
    return Parameter(terms[matches[0]], _last(path))


def several_terms(loss: Loss) -> Composite:
    """The outermost Composite of at least two terms.

    Raises:
        UsageError: where there is none.
    """
    while isinstance(loss, Composite) and len(loss.losses) == 1:
        loss = next(iter(loss.losses.values()))
    if not isinstance(loss, Composite):
        raise UsageError(
            "There must be two terms or more to balance: make the loss a Composite, such as "
            'Composite({"a": ..., "b": ...}).'
        )
    return loss


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _terms(composite: Composite, prefix: str = "") -> Iterator[tuple[str, Composite]]:
    for name, loss in composite.losses.items():
        yield prefix + name, composite
        if isinstance(loss, Composite):
            yield from _terms(loss, f"{prefix}{name}/")


def _inside(loss: Loss) -> list[Loss]:
    """A loss and those it wraps, the innermost first: the outer one wins a shared name."""
    wrapped = [v for v in loss.arguments().values() if isinstance(v, Loss)]
    return [inner for w in wrapped for inner in _inside(w)] + [loss]


def _numbers(loss: Loss) -> list[str]:
    if isinstance(loss, Composite):
        return []
    is_number = lambda v: isinstance(v, float | int | keras.Variable) and not isinstance(v, bool)  # noqa: E731
    return [n for n, v in loss.arguments().items() if is_number(v)]
