"""How a number moves during training: functions of the step, so a resumed run restores nothing.

Each returns `step -> value`, for a Python number or a tensor such as `optimizer.iterations`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

Schedule = Callable[[Any], Any]


def constant(value: float) -> Schedule:
    """
    >>> constant(0.5)(100)
    0.5
    """
    return lambda step: value


def linear(start: float, end: float, steps: int, begin: int = 0) -> Schedule:
    """From `start` to `end` in `steps` steps after step `begin`.

    >>> linear(0.0, 1.0, steps=10)(5)
    0.5
    """
    _check(steps)
    return lambda step: start + (end - start) * _progress(step, steps, begin)


def cosine(start: float, end: float, steps: int, begin: int = 0) -> Schedule:
    """From `start` to `end` along half a cosine: slow at both ends.

    >>> round(cosine(1.0, 0.0, steps=10)(5), 6)
    0.5
    """
    _check(steps)

    def value(step):
        angle = math.pi * _progress(step, steps, begin)
        return end + (start - end) * (1.0 + _cos(angle)) / 2.0

    return value


def exponential(start: float, end: float, steps: int, begin: int = 0) -> Schedule:
    """From `start` to `end` by a constant factor a step; both positive.

    >>> round(exponential(1.0, 0.01, steps=2)(1), 6)
    0.1
    """
    _check(steps)
    if start <= 0 or end <= 0:
        raise ValueError(f"exponential: start and end must be > 0, got {start!r} and {end!r}.")
    return lambda step: start * (end / start) ** _progress(step, steps, begin)


def piecewise(values: Sequence[float], boundaries: Sequence[int]) -> Schedule:
    """`values[i]` until step `boundaries[i]`; the last value from then on.

    >>> piecewise([1.0, 0.5], [100])(100)
    0.5
    """
    if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(boundaries):
        raise ValueError(
            "piecewise: needs rising boundaries and one value more than boundaries, "
            f"got {list(values)} and {list(boundaries)}."
        )

    def value(step):
        jumps = zip(boundaries, values, values[1:], strict=False)
        return values[0] + sum((b - a) * _from(step, at) for at, a, b in jumps)

    return value


def _check(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"A schedule needs at least 1 step, got {steps!r}.")


def _progress(step, steps, begin):
    """0 before `begin`, 1 after `begin + steps`, linear between."""
    if isinstance(step, int | float):
        return min(max((step - begin) / steps, 0.0), 1.0)
    from keras import ops

    return ops.clip((ops.cast(step, "float32") - begin) / steps, 0.0, 1.0)


def _cos(x):
    if isinstance(x, float):
        return math.cos(x)
    from keras import ops

    return ops.cos(x)


def _from(step, boundary):
    if isinstance(step, int | float):
        return float(step >= boundary)
    from keras import ops

    return ops.cast(step >= boundary, "float32")
