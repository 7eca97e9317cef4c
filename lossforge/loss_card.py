"""The card of a loss: what it rewards, how it pulls, and where it breaks, measured on the loss."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from lossforge.kinds import Kind, kind_of
from lossforge.losses.base import Loss, argument_names
from lossforge.testing import as_read, gradient_of, rebuilt, values_of

CLASSIFIERS = ("multiclass", "binary", "multilabel", "class_mask", "mask")
ERRORS = ("regression", "image")
LOGITS = np.linspace(-30.0, 30.0, 2401)
PROPER_WITHIN = 0.005
"""How far the best answer to a true probability may be from it for the loss to be proper."""


@dataclasses.dataclass(frozen=True)
class LossCard:
    """What `card` measured.

    Args:
        loss: the loss as text.
        kind: the Kind of tensors that it was measured on.
        facts: name -> value; numbers, words, or lists of these.
        curve: "at" (p of the target, error, or overlap), "value" and "gradient", for the plot.
        across: what `curve["at"]` is.
    """

    loss: str
    kind: str
    facts: dict[str, Any]
    curve: dict[str, list[float]]
    across: str

    def text(self) -> str:
        wide = max(map(len, self.facts))
        lines = [f"{self.loss}   ({self.kind})", ""]
        return "\n".join(lines + [f"{n:{wide}}  {_shown(v)}" for n, v in self.facts.items()])

    def json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2)

    def plot(self, path: str | Path) -> None:
        """Value and gradient as one PNG (or what the suffix of `path` says)."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.2), layout="constrained")
        for axis, what in zip(figure.subplots(1, 2), ("value", "gradient"), strict=True):
            axis.plot(self.curve["at"], self.curve[what])
            axis.set(xlabel=self.across, ylabel=what)
            axis.axhline(0.0, color="grey", linewidth=0.5)
        figure.suptitle(self.loss if len(self.loss) < 90 else self.loss[:87] + "...", fontsize=9)
        figure.savefig(path, dpi=120)


def card(loss: Loss, kind: str | None = None) -> LossCard:
    """Measures a loss.

    Args:
        loss: any loss of the library, or your own subclass.
        kind: one of its Kinds; by default the first.

    Raises:
        ValueError: for a Kind that the loss does not read.

    >>> from lossforge import CrossEntropy
    >>> facts = card(CrossEntropy(), "binary").facts
    >>> facts["optimum p"], facts["calibration"], facts["convex in the logits"]
    (1.0, 'proper', 'yes')
    """
    from lossforge import spec

    kinds = kinds_of(loss)
    if not kinds:
        raise ValueError(f"{type(loss).__name__} reads no Kind of tensors that can be drawn.")
    if kind is not None and kind not in kinds:
        raise ValueError(f"{type(loss).__name__} reads {', '.join(kinds)}, not {kind}.")
    name = kind or kinds[0]
    text = spec.text(loss)
    changes: dict[str, Any] = {"dtype": "float64"}
    if "task" in argument_names(type(loss)):
        changes["task"] = name
    if "from_logits" in argument_names(type(loss)) and name in CLASSIFIERS:
        changes["from_logits"] = True
    loss = rebuilt(loss, **changes)
    measure = _others
    if name in CLASSIFIERS:
        measure = _classifier
    elif name in ERRORS:
        measure = _errors
    elif name == "boxes":
        measure = _boxes
    facts, curve, across = measure(loss, kind_of(name))
    return LossCard(text, name, facts, {n: _floats(v) for n, v in curve.items()}, across)


def kinds_of(loss: Loss) -> tuple[str, ...]:
    """The Kinds that a loss reads; of a wrapper or a formula, those that it reads as it is."""
    task = getattr(loss, "task", None)
    if task in loss.kinds:
        return (task,)
    if loss.kinds or not loss.wraps:
        return tuple(loss.kinds)
    terms = getattr(loss, "losses", None)  # of a Composite
    inside = (
        list(terms.values())
        if terms
        else [value for value in loss.arguments().values() if isinstance(value, Loss)]
    )
    common = kinds_of(inside[0]) if inside else ()
    return tuple(kind for kind in common if all(kind in kinds_of(other) for other in inside))


def _classifier(loss: Loss, kind: Kind) -> tuple[dict, dict, str]:
    exclusive = kind.activation == "softmax"
    spatial = kind.name.endswith("mask")
    counts = (2, 10, 100) if exclusive else (1,)
    prior = getattr(loss, "prior", None)
    counts = (len(prior),) if prior else counts
    facts: dict[str, Any] = {}
    for classes in counts:
        values, slopes, p = _sweep(loss, kind, classes, 1.0, spatial)
        label = f"optimum p, {classes} classes" if exclusive else "optimum p"
        facts[label] = _optimum(values, p)
        if classes == (10 if 10 in counts else counts[0]):
            chosen = values, slopes, p
    values, slopes, p = chosen
    facts["monotone in p"] = _monotone(values)
    facts["gradient, largest"] = _clean(np.abs(slopes[np.abs(LOGITS) <= 20]).max())
    facts["gradient at p = 1e-6"] = _clean(np.interp(1e-6, p, slopes))
    facts["hard examples"] = _pull(p, slopes)
    facts["calibration"] = _calibration(loss, kind, exclusive, spatial) if not prior else "prior"
    facts |= _in_general(loss, kind, "the logits")
    if exclusive:
        facts["unchanged by a constant added to all logits"] = _same(
            loss, kind, lambda t, x: (t, x + 3.0)
        )
    return facts, {"at": p, "value": values, "gradient": slopes}, "p of the target"


def _sweep(loss: Loss, kind: Kind, classes: int, y: float, spatial: bool = False):
    """(values, slopes in the target's logit, p of the target) along LOGITS."""
    rows = np.zeros((len(LOGITS), classes))
    rows[:, 0] = LOGITS + (math.log(classes - 1) if classes > 1 else 0.0)
    targets = np.zeros(len(rows), int) if y else np.ones(len(rows), int)
    if kind.activation != "softmax":
        targets = np.full((len(rows), 1), y)
    if spatial:
        rows, targets = rows[:, None], targets[:, None]
    seen = as_read(loss, kind, rows)
    values = values_of(loss, targets, seen).reshape(len(rows), -1).mean(axis=-1)
    if seen is rows:
        slopes = gradient_of(loss, targets, rows).reshape(len(rows), classes)[:, 0]
    else:
        slopes = np.gradient(values, LOGITS)
    return values, slopes, 0.5 + 0.5 * np.tanh(0.5 * LOGITS)


def _optimum(values: np.ndarray, p: np.ndarray) -> float:
    """p of the least value; 0 or 1 where the value only falls towards it."""
    best = int(np.nanargmin(values))
    span = np.nanmax(values) - np.nanmin(values)
    flat = np.flatnonzero(values <= values[best] + 1e-9 * max(span, 1e-30))
    if flat[-1] >= len(p) - 1:
        return 1.0
    if flat[0] == 0:
        return 0.0
    return round(float(p[best]), 3)


def _monotone(values: np.ndarray) -> str:
    steps = np.diff(values)
    noise = 1e-9 * (np.nanmax(values) - np.nanmin(values))
    if np.all(steps <= noise):
        return "yes"
    turns = np.flatnonzero(np.diff(np.sign(np.where(np.abs(steps) <= noise, 0.0, steps))))
    return "falls, then rises" if len(turns) <= 2 and steps[0] <= noise else "no"


def _pull(p: np.ndarray, slopes: np.ndarray) -> str:
    hard, middle = (abs(np.interp(at, p, slopes)) for at in (1e-6, 0.5))
    if middle == 0.0:
        return "no gradient at p = 1/2"
    ratio = hard / middle
    if ratio < 0.05:
        return "given up: the gradient vanishes, as with wrong labels in mind"
    return "pull without bound" if ratio > 100 else f"pull {ratio:.2g} times as much as p = 1/2"


def _calibration(loss: Loss, kind: Kind, exclusive: bool, spatial: bool) -> str:
    """What two classes are answered when the first is true with probability 0.1 to 0.9."""
    classes = 2 if exclusive else 1
    true, _, p = _sweep(loss, kind, classes, 1.0, spatial)
    false, _, _ = _sweep(loss, kind, classes, 0.0, spatial)
    wanted = np.linspace(0.1, 0.9, 9)
    answers = [_optimum(w * true + (1.0 - w) * false, p) for w in wanted]
    error = np.array(answers) - wanted
    if np.abs(error).max() <= PROPER_WITHIN:
        return "proper"
    outwards = np.sign(wanted - 0.5) * error
    word = "distorted"
    if np.all(outwards[wanted != 0.5] >= -PROPER_WITHIN):
        word = "overconfident"
    elif np.all(outwards[wanted != 0.5] <= PROPER_WITHIN):
        word = "underconfident"
    return f"{word}: .6 is answered by {answers[5]:.2f}, .9 by {answers[8]:.2f}"


def _errors(loss: Loss, kind: Kind) -> tuple[dict, dict, str]:
    errors = np.linspace(-10.0, 10.0, 2001)
    shape = (1, 1, 1) if kind.name == "image" else (1,)
    y_pred = errors.reshape(-1, *shape)
    zeros = np.zeros_like(y_pred)
    values = values_of(loss, zeros, y_pred).reshape(-1)
    slopes = gradient_of(loss, zeros, y_pred).reshape(-1)
    facts: dict[str, Any] = {"optimum error": round(float(errors[np.argmin(values)]), 3)}
    half = values[errors >= 0]
    facts["monotone in the error"] = "yes" if np.all(np.diff(half) >= -1e-12) else "no"
    facts["symmetric"] = "yes" if np.allclose(values, values[::-1], atol=1e-9) else "no"
    facts["gradient, largest"] = _clean(np.abs(slopes).max())
    growth = abs(slopes[-1]) / max(abs(slopes[errors == 1.0][0]), 1e-30)
    facts["outliers"] = (
        "ignored" if growth < 0.2 else "bounded pull" if growth < 1.5 else f"pull {growth:.3g}x"
    )
    facts["answers"] = _statistic(values, errors)
    facts["scales with the unit"] = _degree(loss, kind)
    facts |= _in_general(loss, kind, "the prediction")
    return facts, {"at": errors, "value": values, "gradient": slopes}, "error"


def _statistic(values: np.ndarray, errors: np.ndarray) -> str:
    """Which number of a skewed sample the loss is least at."""
    sample = np.array([0.0, 0.0, 0.0, 0.5, 1.0, 1.5, 4.0])
    candidates = np.linspace(-1.0, 5.0, 1201)
    cost = np.interp(candidates[:, None] - sample, errors, values).mean(axis=1)
    best = candidates[np.argmin(cost)]
    for name, value in (("the mean", sample.mean()), ("the median", 0.5), ("the mode", 0.0)):
        if abs(best - value) <= 0.01:
            return name
    return f"{best:.2f} where the mean is 1, the median 0.5"


def _degree(loss: Loss, kind: Kind) -> str:
    """How the value changes when targets and predictions are counted in a unit ten times less."""
    y_true, y_pred = kind.draw(np.random.default_rng(0), 16)
    one = values_of(loss, y_true, y_pred)
    ten = values_of(loss, 10.0 * np.asarray(y_true, float), 10.0 * y_pred)
    good = np.abs(one) > 1e-9
    if not good.any() or np.any(ten[good] / one[good] <= 0):
        return "no"
    powers = np.log10(ten[good] / one[good])
    if np.ptp(powers) > 1e-3:
        return "no"
    degree = round(float(powers.mean()), 3)
    return (
        "not at all: the same in every unit" if abs(degree) < 1e-3 else f"to the power {degree:g}"
    )


def _boxes(loss: Loss, kind: Kind) -> tuple[dict, dict, str]:
    shifts = np.linspace(0.0, 3.0, 601)
    target = np.tile([0.0, 0.0, 1.0, 1.0], (len(shifts), 1))
    moved = target + shifts[:, None] * np.array([1.0, 0.0, 1.0, 0.0])
    values = values_of(loss, target, moved).reshape(-1)
    slopes = gradient_of(loss, target, moved)[:, [0, 2]].sum(axis=1)
    facts: dict[str, Any] = {
        "value of a perfect box": _clean(values[0]),
        "least at the perfect box": "yes" if values[0] <= values.min() + 1e-9 else "no",
        "monotone as the box moves away": "yes" if np.all(np.diff(values) >= -1e-9) else "no",
        "pull on a box that does not touch": _clean(slopes[shifts > 1.5].mean()),
        "gradient, largest": _clean(np.abs(slopes).max()),
        "unchanged by the unit": _same(loss, kind, lambda t, p: (100.0 * t, 100.0 * p)),
        "unchanged by a shift of both": _same(loss, kind, lambda t, p: (t + 1.0, p + 1.0)),
    }
    facts |= _in_general(loss, kind, "the corners")
    return facts, {"at": shifts, "value": values, "gradient": slopes}, "shift in box widths"


def _others(loss: Loss, kind: Kind) -> tuple[dict, dict, str]:
    y_true, y_pred = kind.draw(np.random.default_rng(0), 6)
    best = as_read(loss, kind, kind.perfect(y_true))
    seen = as_read(loss, kind, y_pred)
    ways = np.linspace(0.0, 1.5, 61)
    path = [best + w * (seen - best) for w in ways]
    values = np.array([values_of(loss, y_true, at).mean() for at in path])
    pull = np.array([np.abs(gradient_of(loss, y_true, at)).max() for at in path])
    facts: dict[str, Any] = {
        "value at the perfect prediction": _clean(values[0]),
        "least at the perfect prediction": "yes" if values[0] <= values.min() + 1e-9 else "no",
        "monotone on the way there": "yes" if np.all(np.diff(values) >= -1e-9) else "no",
        "gradient, largest": _clean(pull.max()),
        "unchanged by the scale of predictions": _same(loss, kind, lambda t, p: (t, 3.0 * p)),
    }
    facts |= _in_general(loss, kind, "the prediction")
    return (
        facts,
        {"at": ways, "value": values, "gradient": pull},
        "way from perfect (0) to drawn (1)",
    )


def _in_general(loss: Loss, kind: Kind, where: str) -> dict[str, Any]:
    reads_logits = getattr(loss, "from_logits", kind.activation is None)
    facts: dict[str, Any] = {}
    if kind.activation is None or reads_logits:
        facts[f"convex in {where}"] = _convex(loss, kind)
    facts["not finite at"] = _not_finite(loss, kind)
    return facts


def _convex(loss: Loss, kind: Kind) -> str:
    """Midpoints of 256 random pairs of predictions for the same targets."""
    rng = np.random.default_rng(0)
    for _ in range(256 // 16):
        y_true, a = _drawn(loss, kind, rng)
        b = _drawn(loss, kind, rng)[1]
        ends = [values_of(loss, y_true, at) for at in (a, b)]
        middle = values_of(loss, y_true, 0.5 * (a + b))
        if loss.batch_coupled:
            middle, ends = middle.mean(), [end.mean() for end in ends]
        if np.any(middle > 0.5 * (ends[0] + ends[1]) + 1e-7 * (1.0 + np.abs(ends[0]))):
            return "no"
    return "yes"


def _drawn(loss: Loss, kind: Kind, rng: np.random.Generator, batch: int = 16):
    """Drawn tensors; of as many classes as the loss has priors."""
    y_true, y_pred = kind.draw(rng, batch)
    prior = getattr(loss, "prior", None)
    if prior and y_pred.shape[-1] != len(prior):
        y_pred = rng.normal(size=(*y_pred.shape[:-1], len(prior)))
        y_true = rng.integers(0, len(prior), y_pred.shape[:-1])
    if kind.activation:
        y_pred = 3.0 * y_pred
    return y_true, y_pred


def _same(loss: Loss, kind: Kind, change: Any) -> str:
    y_true, y_pred = _drawn(loss, kind, np.random.default_rng(1))
    seen = as_read(loss, kind, y_pred)
    plain = values_of(loss, y_true, seen)
    return "yes" if np.allclose(values_of(loss, *change(y_true, seen)), plain, rtol=1e-6) else "no"


def _not_finite(loss: Loss, kind: Kind) -> str | list[float]:
    y_true, y_pred = _drawn(loss, kind, np.random.default_rng(2), 6)
    found = []
    for extreme in kind.extremes:
        row = np.full_like(y_pred, extreme)
        for logits in (row, np.where(np.arange(row.shape[-1]) % 2, row, -row)):
            at = as_read(loss, kind, logits)
            results = values_of(loss, y_true, at), gradient_of(loss, y_true, at)
            if not all(np.all(np.isfinite(r)) for r in results) and extreme not in found:
                found.append(float(extreme))
    return found or "none of the probes"


def _clean(value: float) -> float:
    return float(f"{float(value):.4g}") + 0.0


def _floats(values: np.ndarray) -> list[float]:
    return [_clean(v) for v in np.asarray(values)]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
