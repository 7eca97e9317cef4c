"""The logarithm of the gamma function in `keras.ops`, which has none."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

_SHIFT = 8


def log_gamma_ratio(x: Any, h: Any) -> Any:
    """log G(x + h) - log G(x) for x > 0, h >= 0, without the cancellation of a large x.

    The recurrence G(x + 1) = x G(x) moves both to x + 8 and beyond, where Stirling's series holds
    to 1e-13.
    """
    z = x + _SHIFT
    steps = sum(ops.log1p(h / (x + k)) for k in range(_SHIFT))
    leading = h * ops.log(z) + (z + h - 0.5) * ops.log1p(h / z) - h
    return leading + _series(z + h) - _series(z) - steps


def log_gamma(x: Any) -> Any:
    """log G(x) for x > 0."""
    z = x + _SHIFT
    steps = sum(ops.log(x + k) for k in range(_SHIFT))
    return (z - 0.5) * ops.log(z) - z + 0.5 * math.log(2.0 * math.pi) + _series(z) - steps


def _series(z: Any) -> Any:
    """1 / (12 z) - 1 / (360 z^3) + 1 / (1260 z^5) - 1 / (1680 z^7) + 1 / (1188 z^9)"""
    u = 1.0 / (z * z)
    tail = 1.0 / 1260.0 - u * (1.0 / 1680.0 - u / 1188.0)
    return (1.0 / 12.0 - u * (1.0 / 360.0 - u * tail)) / z
