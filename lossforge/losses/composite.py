"""Named losses with weights, as one loss; every term stays visible."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, mean_over_replicas, replicas

Seen = list[tuple["Composite", dict[str, tuple[Any, Any]]]]


class Composite(Loss):
    """The weighted sum of named losses.

        loss = sum_k weight_k loss_k

    Each term is reduced by itself, so that terms of different shapes (per pixel, per image) can
    be added. With `lossforge.callbacks.LossMonitor`, every term's mean is in the logs as
    `terms/<name>`, with its effective weight and its share of the total, for training and
    validation, and so in the progress bar and TensorBoard. A Balance that a callback attaches
    (`lossforge.callbacks.Balancing`) takes the place of the sum.

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
        self.current: dict[str, Any] = {}  # weights that a callback moves
        self.balance_state: Any = None  # a BalanceState, put in by a callback
        self.on_values: Callable[[dict[str, Any]], None] | None = None  # sees weighted values
        self.trackers: dict[str, keras.metrics.Metric] = {}
        self._seen: dict[str, tuple[Any, Any]] = {}
        self._is_root = False
        self.waits = False  # True where a model calls `show` once it knows the weights

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if self.reduction in (None, "none"):
            return super().__call__(y_true, y_pred, sample_weight)
        values = {n: loss(y_true, y_pred, sample_weight) for n, loss in self.losses.items()}
        return self.combine(values)

    def combine(self, values: Mapping[str, Any]) -> Any:
        """The total of reduced term values; trackers see each of them."""
        if self.on_values is not None:
            self.on_values({name: self.weight(name) * value for name, value in values.items()})
        if self.balance_state is not None:
            waiting = self.take()
            total, weights = self._balanced(values)
            self.give_back(waiting)
        else:
            weights = {name: self.weight(name) for name in values}
            total = sum(weights[name] * value for name, value in values.items())
        if self.trackers:
            self._seen = {n: (ops.stop_gradient(v), weights[n]) for n, v in values.items()}
            if self._is_root and not self.waits:
                self.show()
        return total

    def weight(self, name: str) -> Any:
        """The weight of a term now: a callback may have put a schedule into `current`."""
        return self.current.get(name, self.weights[name])

    def _balanced(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The Balance's total; terms share the gradient by its derivative in each value.

        Under `tf.distribute` the Balance sees the mean over replicas, so that all weigh alike.
        """
        own = ops.stack([ops.cast(self.weight(n), v.dtype) * v for n, v in values.items()])
        total, slopes = self.balance_state(mean_over_replicas(own * replicas()))
        linear = ops.sum(slopes * own)
        total = linear + ops.stop_gradient(total / replicas() - linear)
        return total, {n: slopes[i] * self.weight(n) for i, n in enumerate(values)}

    def reweigh(self, weights: Any) -> None:
        """Other (K,) factors of the weighted terms for what `show` is about to show."""
        self._seen = {
            n: (v, weights[i] * self.weight(n)) for i, (n, (v, _)) in enumerate(self._seen.items())
        }

    def show(self, outer: Any = 1.0, whole: Any = 1.0) -> None:
        """Gives the trackers each term's value, its weight in the root's total, and its share.

        Args:
            outer: the weight of this Composite in the root's total.
            whole: its share of the root's total, which its terms divide among them.
        """
        sizes = {name: ops.abs(value * weight) for name, (value, weight) in self._seen.items()}
        scale = ops.divide_no_nan(whole, sum(sizes.values()))
        for name, (value, weight) in self._seen.items():
            weight, share = outer * weight, scale * sizes[name]
            shown = {"terms": value * replicas(), "weights": weight, "shares": share}
            for what, number in shown.items():
                if f"{what}/{name}" in self.trackers:
                    self.trackers[f"{what}/{name}"].update_state(ops.stop_gradient(number))
            if isinstance(self.losses[name], Composite):
                self.losses[name].show(weight, share)
        self._seen = {}  # tensors of a graph are not kept beyond it

    def take(self) -> Seen:
        """Takes out what `show` would show, nested terms included; `give_back` puts it there again.

        Replicas share this object, and take turns wherever they meet while they are traced.
        """
        taken, self._seen = [(self, self._seen)], {}
        for loss in self.losses.values():
            if isinstance(loss, Composite):
                taken += loss.take()
        return taken

    @staticmethod
    def give_back(taken: Seen) -> None:
        for composite, seen in taken:
            composite._seen = seen

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        total = 0.0
        for name, loss in self.losses.items():
            values, _ = loss.weighted_values(y_true, y_pred, sample_weight, mask)
            if len(values.shape) > 1:
                values = ops.mean(values, axis=tuple(range(1, len(values.shape))))
            total = total + self.weight(name) * values
        return total, ops.cast(ops.size(total), self.dtype)

    def track(self, weights: bool = True, path: str = "") -> list[keras.metrics.Metric]:
        """Creates (once) and returns what the logs show, nested terms included.

        A mean for each term, `terms/<path>`, and with `weights` its effective weight in the total,
        `weights/<path>`, and its share of the total, `shares/<path>`.
        """
        found = []
        self._is_root = not path
        for name, loss in self.losses.items():
            for what in ("terms", "weights", "shares")[: 3 if weights else 1]:
                key = f"{what}/{name}"
                if key not in self.trackers:
                    self.trackers[key] = keras.metrics.Mean(name=f"{what}/{path}{name}")
                found.append(self.trackers[key])
            if isinstance(loss, Composite):
                found += loss.track(weights, f"{path}{name}/")
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
