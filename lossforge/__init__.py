"""Losses for Keras 3, their composition, and a search that proves what it finds.

Public names load on first use: `import lossforge` alone imports no TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = (
    "balance",
    "callbacks",
    "errors",
    "heads",
    "kinds",
    "losses",
    "metrics",
    "miners",
    "regularizers",
    "schedules",
    "spec",
    "tasks",
    "testing",
)
_HOMES = {
    "AdversarialModel": "lossforge.training.adversarial_model",
    "Recipe": "lossforge.recipe",
    "GradientBalancedModel": "lossforge.training.gradient_balanced_model",
    "Reading": "lossforge.recipe",
    "Slot": "lossforge.recipe",
    "TermModel": "lossforge.training.term_model",
    "forge": "lossforge.training.forge",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lossforge.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name.startswith("_"):
        raise AttributeError(f"module 'lossforge' has no attribute {name!r}")
    losses = importlib.import_module("lossforge.losses")
    if name == "Loss":
        return losses.Loss
    if name in losses.LOSSES:
        return losses.LOSSES[name]
    from lossforge.errors import unknown_name

    raise AttributeError("lossforge: " + unknown_name("loss", name, losses.LOSSES))


def __dir__() -> list[str]:
    losses = importlib.import_module("lossforge.losses")
    return sorted([*globals(), *_MODULES, *_HOMES, "Loss", *losses.LOSSES])
