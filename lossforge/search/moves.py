"""A loss with one hyper-parameter moved over the range that it declares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lossforge.errors import RecipeError
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite
from lossforge.ranges import Choice, Float


def moves(losses: Mapping[str, Loss], points: int) -> list[tuple[tuple[str, Any], dict[str, Loss]]]:
    """((parameter, value), losses) for each declared hyper-parameter and each of its values.

    Raises:
        RecipeError: for losses that declare none.
    """
    found = [
        ((f"{slot}.{name}", value), {**losses, slot: moved})
        for slot, loss in losses.items()
        for name, value, moved in _moved(loss, points)
    ]
    if not found:
        raise RecipeError("These losses declare no hyper-parameter that is worth moving.")
    return found


def _moved(loss: Loss, points: int) -> Iterator[tuple[str, Any, Loss]]:
    if isinstance(loss, Composite):
        terms = {name: (loss.weights[name], term) for name, term in loss.losses.items()}
        for name, (weight, term) in terms.items():
            for inner, value, moved in _moved(term, points):
                changed = {**terms, name: (weight, moved)}
                yield f"{name}.{inner}", value, Composite(changed, name=loss.name)
        return
    for name, value in loss.arguments().items():
        if isinstance(value, Loss):  # a wrapper's own arguments, and those of the loss inside
            for inner, changed, moved in _moved(value, points):
                yield inner, changed, _with(loss, name, moved)
    for name, values in type(loss).search.items():
        for value in grid(values, points):
            yield name, value, _with(loss, name, value)


def _with(loss: Loss, name: str, value: Any) -> Loss:
    return type(loss)(**{**loss.arguments(), "name": loss.name, name: value})


def grid(values: Float | Choice, points: int) -> list[Any]:
    """
    >>> grid(Float(0.1, 10.0, log=True), 3)
    [0.1, 1.0, 10.0]
    """
    if isinstance(values, Choice):
        return list(values.options)
    low, high = (math.log(values.low), math.log(values.high)) if values.log else (
        values.low, values.high
    )  # fmt: skip
    between = [low + (high - low) * i / max(1, points - 1) for i in range(points)]
    return [float(f"{math.exp(x) if values.log else x:.4g}") for x in between]
