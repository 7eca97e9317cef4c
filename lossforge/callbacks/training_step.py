"""How callbacks put something around a model's training step, or another in its place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

Step = Callable[..., Any]

ORDER = ("balance", "gradient_monitor", "stop_on_nan")
"""From the inside out: a Balance replaces the step, the others look at it from around."""


def wrap_step(model: keras.Model, part: str, wrap: Callable[[Step], Step]) -> None:
    """Gives a model the step that `wrap` makes of what it had, until `unwrap_step`.

    A part is there once: what an interrupted training left of it is replaced.
    """
    _set(model, {**vars(model).get("_step_wraps", {}), part: wrap})


def unwrap_step(model: keras.Model, part: str) -> None:
    """Takes a part away; a model without any has its own step again."""
    wraps = vars(model).get("_step_wraps", {})
    _set(model, {name: wrap for name, wrap in wraps.items() if name != part})


def _set(model: keras.Model, wraps: dict[str, Callable[[Step], Step]]) -> None:
    step: Step = functools.partial(type(model).train_step, model)
    for part in ORDER:
        if part in wraps:
            step = wraps[part](step)
    # Past Keras's tracking: these are no part of what is saved.
    object.__setattr__(model, "_step_wraps", wraps)
    if wraps:
        object.__setattr__(model, "train_step", step)
    elif "train_step" in vars(model):
        object.__delattr__(model, "train_step")
    model.train_function = None
