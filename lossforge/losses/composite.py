"""Named losses with weights, as one loss; every term stays visible."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, replicas


class Composite(Loss):
    """The weighted sum of named losses.

        loss = sum_k weight_k loss_k

    Each term is reduced by itself, so that terms of different shapes (per pixel, per image) can
    be added. With `lossforge.callbacks.LossMonitor`, every term's mean is in the logs as
    `terms/<name>`, for training and validation, and so in the progress bar and TensorBoard.

    Reads: what its terms read.
    Returns: a number; with `reduction=None` (batch,), the mean of each term over other axes.
    Source: the sum is as old as regularisation (Tikhonov 1963).

    >>> import lossforge
    >>> both = Composite({"focal": lossforge.Focal(), "ce": (0.5, lossforge.CrossEntropy())})
    >>> both.weights
    {'focal': 1.0, 'ce': 0.5}

    Args:
        terms: name -> Loss, or name -> (weight, Loss). Weights are finite and >= 0. A term may
            be a Composite.

    Raises:
        ValueError: for no terms, a weight that is negative or not finite, something that is not a
            loss, or a name with a slash.
    """

    wraps = True
    minimum = None

    def __init__(self, terms: Mapping[str, Any], **base: Any) -> None:
        super().__init__(**base)
        if not terms:
            raise ValueError('Composite needs at least one term, such as {"focal": Focal()}.')
        pairs = {name: _weighted(name, term) for name, term in terms.items()}
        self.weights = {name: weight for name, (weight, _) in pairs.items()}
        self.losses = {name: loss for name, (_, loss) in pairs.items()}
        self.current: dict[str, Any] = {}
        self.trackers: dict[str, keras.metrics.Metric] = {}

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if self.reduction in (None, "none"):
            return super().__call__(y_true, y_pred, sample_weight)
        values = {n: loss(y_true, y_pred, sample_weight) for n, loss in self.losses.items()}
        return self.combine(values)

    def combine(self, values: Mapping[str, Any]) -> Any:
        """The total of reduced term values; trackers see each of them."""
        total = 0.0
        for name, value in values.items():
            self.observe(name, value)
            total = total + self.weight(name) * value
        return total

    def weight(self, name: str) -> Any:
        """The weight of a term now: a callback may have put a schedule into `current`."""
        return self.current.get(name, self.weights[name])

    def observe(self, name: str, value: Any) -> None:
        if name in self.trackers:
            self.trackers[name].update_state(ops.stop_gradient(value) * replicas())

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        total = 0.0
        for name, loss in self.losses.items():
            values, _ = loss.weighted_values(y_true, y_pred, sample_weight, mask)
            if len(values.shape) > 1:
                values = ops.mean(values, axis=tuple(range(1, len(values.shape))))
            total = total + self.weight(name) * values
        return total, ops.cast(ops.size(total), self.dtype)

    def track(self, prefix: str = "terms/") -> list[keras.metrics.Metric]:
        """Creates (once) and returns a mean per term, nested terms included."""
        found = []
        for name, loss in self.losses.items():
            if name not in self.trackers:
                self.trackers[name] = keras.metrics.Mean(name=prefix + name)
            found.append(self.trackers[name])
            if isinstance(loss, Composite):
                found += loss.track(f"{prefix}{name}/")
        return found

    def leaves(self) -> Iterator[tuple[str, Loss]]:
        """(path, loss) of every loss that is not a Composite."""
        for name, loss in self.losses.items():
            if isinstance(loss, Composite):
                yield from ((f"{name}/{path}", leaf) for path, leaf in loss.leaves())
            else:
                yield name, loss

    def get_config(self) -> dict[str, Any]:
        terms = {
            name: [self.weights[name], keras.saving.serialize_keras_object(loss)]
            for name, loss in self.losses.items()
        }
        base = {"name": self.name, "reduction": self.reduction, "dtype": self.dtype}
        return {"terms": terms, **base}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Composite:
        terms = {
            name: (weight, keras.saving.deserialize_keras_object(loss))
            for name, (weight, loss) in config["terms"].items()
        }
        return cls(**{**config, "terms": terms})


def _weighted(name: str, term: Any) -> tuple[float, Loss]:
    weight, loss = term if isinstance(term, tuple | list) else (1.0, term)
    if "/" in name or not name:
        raise ValueError(f"Composite: a term's name can't be empty or hold a slash, got {name!r}.")
    check_weight(name, weight)
    if not isinstance(loss, Loss):
        raise ValueError(
            f"Composite: term '{name}' must be a lossforge Loss or (weight, Loss), got {loss!r}."
        )
    return float(weight), loss


def check_weight(name: str, weight: Any) -> float:
    if not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
        raise ValueError(
            f"The weight of term '{name}' must be a finite number >= 0, got {weight!r}."
        )
    return float(weight)
