"""One way of reading targets and predictions, and how to draw examples of it.

NumPy only. Classifiers draw logits; the conformance kit turns them into probabilities for a loss
that reads those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way of reading targets and predictions.

    Args:
        name: as in `Loss.kinds`.
        reads: shapes, units and ranges in words.
        draw: (rng, batch) -> (y_true, y_pred) of ordinary difficulty.
        perfect: y_true -> the prediction that equals it (logits of 40 for classifiers).
        activation: "softmax", "sigmoid" or None: from logits to probabilities; "exp": from
            logarithms to rates or amounts.
        extremes: numbers that predictions may take at worst (logits for classifiers).
    """

    name: str
    reads: str
    draw: Draw
    perfect: Callable[[np.ndarray], np.ndarray]
    activation: str | None = None
    extremes: tuple[float, ...] = (-1e4, -1.0, 0.0, 1.0, 1e4)


def logits_of(y: np.ndarray) -> np.ndarray:
    """Logits that are sure of targets of 0 and 1."""
    return 80.0 * y - 40.0


def log_of(y: np.ndarray, floor: float = 1e-26) -> np.ndarray:
    return np.log(np.maximum(y, floor))


def probabilities(kind: Kind, logits: np.ndarray) -> Any:
    """Logits of a classifier as the probabilities that its activation gives ("exp": as rates)."""
    if kind.activation == "exp":
        return np.exp(logits)
    if kind.activation == "softmax":
        e = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
