"""What is wrong with a loss of one's own, in words: `lossforge check` prints what this finds.

The promises are those of `lossforge.testing`. Here they are tested on any loss, a function or a
`keras.losses.Loss` as well as ours, and each failure has a name, what was seen, and a way out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from keras import ops

from lossforge import testing
from lossforge.kinds import Kind
from lossforge.losses.base import Loss

HARMLESS = ("magnitude", "documentation", "float32 alone")  # said, but no reason to refuse the loss


@dataclasses.dataclass(frozen=True)
class Finding:
    """One failure: its name, what was seen, and what to do."""

    failure: str
    seen: str
    advice: str

    @property
    def harmless(self) -> bool:
        return self.failure in HARMLESS

    def __str__(self) -> str:
        return f"{self.failure}: {self.seen} {self.advice}"


def findings(loss: Loss, kind: Kind) -> list[Finding]:
    """What is wrong with a loss on tensors of a Kind; empty if nothing is.

    >>> from lossforge import SmoothL1
    >>> from lossforge.kinds import kind_of
    >>> [f.failure for f in findings(SmoothL1(), kind_of("regression"))]
    []
    """
    stopper = next((f for check in FIRST for f in check(loss, kind)), None)
    if stopper:  # what comes after would only echo it
        return [stopper]
    found = [finding for check in CHECKS for finding in check(loss, kind)]
    if loss.kinds and not any(not f.harmless for f in found):
        found += _kit(loss, kind)
    return found


def adapted(function: Callable[[Any, Any], Any], name: str, from_logits: bool = False) -> Loss:
    """A loss of ours around `function(y_true, y_pred) -> values`, so that the kit can test it."""

    class Adapted(Loss):
        minimum = None

        def __init__(self, **base: Any) -> None:
            super().__init__(**base)
            self.from_logits = from_logits

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return function(y_true, y_pred)

    return Adapted(name=name)


# First: can it be called at all? ------------------------------------------------------------------


def runs(loss: Loss, kind: Kind) -> Iterator[Finding]:
    try:
        testing.values_of(loss, *testing.draw(loss, kind))
    except Exception as error:
        yield Finding(
            "does not run",
            f"on {kind.reads} it raises {type(error).__name__}: {_line(error)}.",
            "Is the kind right (--kind)? Are integer labels cast before they meet floats?",
        )


def keeps_examples_apart(loss: Loss, kind: Kind) -> Iterator[Finding]:
    y_true, y_pred = testing.draw(loss, kind)
    values = testing.values_of(loss, y_true, y_pred)
    if values.ndim == 0 or len(values) != len(y_pred):
        yield Finding(
            "scalar too early",
            f"for a batch of {len(y_pred)} it returns shape {values.shape}.",
            "Return one value an example, such as ops.mean(..., axis=-1): with a scalar Keras can "
            "neither weigh nor mask examples, and gradients double on two replicas.",
        )


def compiles(loss: Loss, kind: Kind) -> Iterator[Finding]:
    try:
        testing.graph_equals_eager(loss, kind)
    except AssertionError as error:
        seen = f"compiled, it gives other values: {_line(error)}."
    except Exception as error:
        seen = f"in a compiled function it raises {type(error).__name__}: {_line(error)}."
    else:
        return
    advice = "Use keras.ops alone: NumPy, .numpy(), and Python's if on a tensor do not compile."
    yield Finding("does not compile", seen, advice)


# Then: is it a loss? ------------------------------------------------------------------------------


def falls_towards_the_target(loss: Loss, kind: Kind) -> Iterator[Finding]:
    y_true, start = kind.draw(np.random.default_rng(0), 6)
    end = np.asarray(kind.perfect(y_true), float)
    path = [
        testing.values_of(loss, y_true, testing.as_read(loss, kind, start + share * (end - start)))
        for share in np.linspace(0.0, 1.0, 6)
    ]
    first, last = float(np.mean(path[0])), float(np.mean(path[-1]))
    slack = 1e-5 * max(1.0, abs(first))
    if last > first + slack or (np.isnan(last) and float(np.mean(path[-2])) > first + slack):
        yield Finding(
            "wrong sign",
            f"it rises from {first:.3g} to {last:.3g} as predictions get better.",
            "A loss falls towards the target: is there a minus missing, or one too many?",
        )
    elif np.any((path[-1] > path[0] + slack) & np.isfinite(path[-1])):
        yield Finding(
            "not least at the target",
            f"at a perfect prediction it is {float(np.max(path[-1])):.3g}, more than at a "
            f"wrong one ({float(path[0].flat[int(np.argmax(path[-1] - path[0]))]):.3g}).",
            "Training would lead away from the target. Do target and prediction mean the same?",
        )


def is_finite(loss: Loss, kind: Kind) -> Iterator[Finding]:
    for case, y_true, y_pred in _extremes(loss, kind):
        if not np.all(np.isfinite(testing.values_of(loss, y_true, y_pred))):
            yield Finding(
                "NaN at extremes",
                f"the value is not finite {case}.",
                "Compute in log space (ops.log_sigmoid, ops.logsumexp), or keep what goes into a "
                "logarithm or a division away from 0.",
            )
            return
        if not np.all(np.isfinite(testing.gradient_of(loss, y_true, y_pred))):
            yield Finding(
                "NaN gradient",
                f"the value is finite {case}, but its gradient is not.",
                "ops.sqrt, ops.norm and powers below 1 have an infinite slope at 0, and the "
                "branch that ops.where leaves out still counts: make the input safe before.",
            )
            return


def has_the_right_gradient(loss: Loss, kind: Kind) -> Iterator[Finding]:
    """Along random directions, against central differences."""
    if loss.detached:
        return
    exact = _exact(loss, kind)
    y_true, y_pred = testing.draw(exact, kind, seed=3)
    try:
        gradient = testing.gradient_of(exact, y_true, y_pred)
    except (AttributeError, TypeError, ValueError):  # TensorFlow's tape gives None
        gradient = np.zeros_like(y_pred)
    double = testing.values_of(exact, y_true, y_pred).dtype == np.float64
    step, least = (1e-5, 1e-2) if double else (1e-2, 0.0)
    rng = np.random.default_rng(0)
    automatic, numeric = [], []
    for _ in range(5):
        direction = rng.normal(size=y_pred.shape) * step * (least + np.abs(y_pred))
        up, down = (
            testing.values_of(exact, y_true, y_pred + sign * direction).astype(float).sum()
            for sign in (1.0, -1.0)
        )
        automatic.append(float((gradient * direction).sum()) / step)
        numeric.append((up - down) / (2.0 * step))
    gap = float(np.max(np.abs(np.subtract(automatic, numeric))))
    size = float(np.max(np.abs(numeric)))
    if not np.any(gradient) and _moves(exact, kind):
        yield Finding(
            "no gradient",
            "the gradient is 0 everywhere.",
            "argmax, round, comparisons, casts to integers and ops.stop_gradient let nothing "
            "through: use a smooth form.",
        )
    elif gap > (1e-3 if double else 5e-2) * max(size, 1e-6):
        yield Finding(
            "gradient disagrees",
            f"it differs from finite differences by {gap:.2g} of {size:.2g}.",
            "ops.stop_gradient, a rounded step or a custom gradient changes what is learned. If "
            "the paper says so, set detached = True in the class.",
        )


def reads_integer_labels(loss: Loss, kind: Kind) -> Iterator[Finding]:
    """Large class ids mean the same as small ones, in half precision too."""
    y_true, y_pred = testing.draw(loss, kind)
    if not np.issubdtype(y_true.dtype, np.integer) or y_true.ndim != 1:
        return
    advice = "Never cast class ids to a float: compare and gather integers (ops.one_hot, ==)."
    if kind.name == "multiclass":
        logits = np.random.default_rng(0).normal(size=(4, 2050)).astype("float32")
        high, low, order = np.array([257, 511, 1025, 2049]), np.arange(4), np.arange(2050)
        order[low], order[high] = high, low
        moved = testing.as_read(loss, kind, logits)
        for dtype, width in (("float16", "2049 becomes 2048"), ("bfloat16", "257 becomes 256")):
            half = ops.cast(ops.convert_to_tensor(moved), dtype)
            swapped = ops.cast(ops.convert_to_tensor(moved[:, order]), dtype)
            try:
                large = _direct(loss, high, half)
                small = _direct(loss, low, swapped)
            except Exception:  # it does not take half precision at all
                return
            if not np.allclose(large, small, rtol=0.02, atol=1e-3, equal_nan=True):
                yield Finding("label cast", f"class {width} in {dtype}.", advice)
                return
    elif kind.name in ("embedding", "views_of_classes"):
        far = 2**24 + np.unique(y_true, return_inverse=True)[1]
        near = testing.values_of(loss, far - 2**24, y_pred)
        if not np.allclose(near, testing.values_of(loss, far, y_pred), rtol=1e-4, atol=1e-6):
            yield Finding("label cast", "ids above 2**24 collide in float32.", advice)


def survives_float16(loss: Loss, kind: Kind) -> Iterator[Finding]:
    y_true, y_pred = kind.draw(np.random.default_rng(0), 6)
    size = 30.0 if kind.activation else 500.0 / max(1.0, float(np.abs(y_pred).max()))
    if kind.name not in ("regression", "image", "images", "binary", "multiclass", "multilabel"):
        return
    y_pred = testing.as_read(loss, kind, y_pred * size).astype("float16")
    exact = testing.values_of(loss, y_true, y_pred.astype("float32"))
    try:
        half = _direct(loss, y_true, ops.convert_to_tensor(y_pred))
    except Exception as error:
        seen = f"predictions in float16 raise {type(error).__name__}: {_line(error)}."
    else:
        if np.all(np.isfinite(half) | ~np.isfinite(exact)):
            return
        seen = f"where float32 gives {float(np.max(exact)):.3g}, float16 gives {_worst(half)}."
    yield Finding(
        "float16 overflow",
        seen,
        "float16 ends at 65504 and at 6e-8: ops.cast(y_pred, 'float32') first, or derive from "
        "lossforge.losses.base.Loss, which does.",
    )


def keeps_examples_independent(loss: Loss, kind: Kind) -> Iterator[Finding]:
    if loss.batch_coupled:
        return
    y_true, y_pred = testing.draw(loss, kind)
    whole = testing.values_of(loss, y_true, y_pred)
    parts = [testing.values_of(loss, y_true[i : i + 1], y_pred[i : i + 1])[0] for i in range(6)]
    if not np.allclose(whole, np.stack(parts), rtol=1e-4, atol=1e-5):
        yield Finding(
            "depends on the batch",
            "an example's value changes with the others in its batch.",
            "A mean, maximum or norm without axis takes the whole batch. If that is meant, set "
            "batch_coupled = True in a class derived from ours.",
        )


def shows_nan(loss: Loss, kind: Kind) -> Iterator[Finding]:
    y_true, y_pred = testing.draw(loss, kind)
    y_pred = y_pred.copy()
    y_pred[0] = np.nan
    if not np.any(np.isnan(testing.values_of(loss, y_true, y_pred))):
        yield Finding(
            "hides NaN",
            "predictions that are NaN give a finite loss.",
            "Training would go on with a broken model: leave out nan_to_num, maximum and "
            "comparisons that swallow it.",
        )


def has_a_usual_magnitude(loss: Loss, kind: Kind) -> Iterator[Finding]:
    """The gradient against those of our own losses on the same tensors."""
    size = _gradient_size(loss, kind)
    others = [_gradient_size(other, kind) for other in _others(loss, kind)]
    usual = float(np.median(others)) if others else 0.0
    if not usual or not size or 0.01 <= size / usual <= 100.0:
        return
    yield Finding(
        "magnitude",
        f"its gradient is {size / usual:.2g} times that of usual losses of this kind.",
        f"Beside other terms give it a weight of about {usual / size:.1g}, or a mean in place of "
        "a sum.",
    )


FIRST = (runs, keeps_examples_apart, compiles)
CHECKS = (
    falls_towards_the_target,
    is_finite,
    has_the_right_gradient,
    reads_integer_labels,
    survives_float16,
    keeps_examples_independent,
    shows_nan,
    has_a_usual_magnitude,
)


def _exact(loss: Loss, kind: Kind) -> Loss:
    """The loss in float64, or as it is, where numbers of its own in float32 do not mix with it."""
    exact = testing.rebuilt(loss, dtype="float64")
    try:
        testing.values_of(exact, *testing.draw(exact, kind))
    except Exception:
        return loss
    return exact


def _kit(loss: Loss, kind: Kind) -> Iterator[Finding]:
    """What the kit promises of our own losses beyond the above."""
    in_float64 = _exact(loss, kind) is not loss
    if not in_float64:
        yield Finding(
            "float32 alone",
            "with dtype='float64' it raises.",
            "Give constants the dtype of what they meet: ops.where(x > 0, 2.0, 1.0) is float32, "
            "1.0 + ops.cast(x > 0, x.dtype) is not.",
        )
    for check in testing.CHECKS:
        if check is testing.gradient_equals_finite_differences and not in_float64:
            continue  # it needs float64; a coarser comparison has passed
        try:
            check(loss, kind)
        except AssertionError as error:
            documents = check is testing.docstring_says_what_it_must
            name = "documentation" if documents else check.__name__.replace("_", " ")
            yield Finding(name, f"{_line(error) or 'this does not hold'}.", "")
        except Exception as error:
            name = check.__name__.replace("_", " ")
            yield Finding(name, f"raises {type(error).__name__}: {_line(error)}.", "")


def _extremes(loss: Loss, kind: Kind) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    y_true, y_pred = testing.draw(loss, kind)
    yield "on ordinary predictions", y_true, y_pred
    perfect = testing.as_read(loss, kind, np.asarray(kind.perfect(y_true), float))
    yield "at a perfect prediction", y_true, perfect
    what = "logits" if kind.activation else "predictions"
    for extreme in kind.extremes:
        row = testing.as_read(loss, kind, np.full_like(y_pred, extreme))
        yield f"at {what} of {extreme:g}", y_true, row
        signs = np.where(np.arange(y_pred.shape[-1]) % 2, 1.0, -1.0)
        mixed = testing.as_read(loss, kind, np.full_like(y_pred, extreme) * signs)
        yield f"at {what} of ±{abs(extreme):g}", y_true, mixed


def _direct(loss: Loss, y_true: Any, y_pred: Any) -> np.ndarray:
    """Values as a custom training step gets them: ours by the call, others without any cast."""
    if loss.kinds:
        return ops.convert_to_numpy(testing.rebuilt(loss, reduction=None)(y_true, y_pred))
    dtype = y_pred.dtype if np.issubdtype(y_true.dtype, np.floating) else y_true.dtype
    values = loss.call(ops.convert_to_tensor(y_true, dtype=dtype), y_pred)
    return np.asarray(ops.convert_to_numpy(ops.cast(values, "float32")))


def _moves(loss: Loss, kind: Kind) -> bool:
    """Whether the value depends on the prediction at all."""
    y_true, y_pred = testing.draw(loss, kind)
    first, second = (testing.values_of(loss, y_true, p).mean() for p in (y_pred, y_pred[::-1]))
    return bool(first != second)


def _others(loss: Loss, kind: Kind) -> Iterator[Loss]:
    from lossforge.losses import LOSSES

    fitting = [
        cls
        for cls in LOSSES.values()
        if cls.__module__.startswith("lossforge.") and not cls.wraps and kind.name in cls.kinds
    ]
    for cls in fitting[:8]:
        arguments = next((a for a, k in testing.cases(cls) if k == kind.name), None)
        if arguments is not None:
            yield cls(**arguments)


def _gradient_size(loss: Loss, kind: Kind) -> float:
    y_true, y_pred = testing.draw(loss, kind)
    gradient = testing.gradient_of(loss, y_true, y_pred)
    return float(np.mean(np.sqrt(np.sum(gradient.reshape(len(y_pred), -1) ** 2.0, axis=1))))


def _worst(values: np.ndarray) -> str:
    return "NaN" if np.any(np.isnan(values)) else "infinity"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
