"""The gradient of each term of a loss, and their inner products."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from lossforge.errors import UsageError
from lossforge.losses.base import replicas
from lossforge.losses.composite import Composite, Seen


class TermGradients(NamedTuple):
    """What one forward pass, and one backward pass a term, gave.

    Args:
        outputs: of the model.
        loss: the total, as the model computes it.
        values: (K,) each term's value times the weight that the user gave it.
        of_terms: for each term, one gradient a variable, or None where it does not reach it; summed
            over replicas.
        of_rest: the gradients of what is no term: losses that layers add.
        waiting: what the trackers of the terms have not seen yet, for `Composite.give_back`.
    """

    outputs: Any
    loss: Any
    values: Any
    of_terms: list[list[Any]]
    of_rest: list[Any]
    waiting: Seen


def term_gradients(
    model: keras.Model, root: Composite, terms: Composite, data: Any
) -> TermGradients:
    """The gradients of `terms`, a part of the model's loss `root`, in its trainable variables.

    Trackers of the terms see nothing. On TensorFlow. Gradients are as many
    times too long as the model's optimizer scales its loss.
    """
    import tensorflow as tf

    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    variables = model.trainable_variables
    with tf.GradientTape(persistent=True) as tape, watched(root, terms) as seen:
        outputs = model(x, training=True) if model._call_has_training_arg else model(x)
        loss = model._compute_loss(x, y, outputs, sample_weight, True)
        rest = loss - sum(seen.values())
        waiting = root.take()

    def gradient(value: Any) -> list[Any]:
        scale = ops.convert_to_tensor(model.optimizer.scale_loss(1.0), dtype=value.dtype)
        return tape.gradient(value, variables, output_gradients=scale)

    of_terms = [
        sum_over_replicas([None if g is None else ops.convert_to_tensor(g) for g in each])
        for each in map(gradient, seen.values())
    ]
    of_rest = gradient(rest) if model.losses else [None] * len(variables)
    (values,) = sum_over_replicas([ops.stack(list(seen.values()))])
    return TermGradients(outputs, loss, values, of_terms, of_rest, waiting)


@contextlib.contextmanager
def watched(root: Composite, terms: Composite) -> Iterator[dict[str, Any]]:
    """What `terms` compute within: {name: value times its weight}; trackers of `root` wait."""
    seen: dict[str, Any] = {}
    before = terms.on_values, root.waits
    terms.on_values, root.waits = seen.update, True
    try:
        yield seen
    finally:
        terms.on_values, root.waits = before


def sum_over_replicas(tensors: list[Any]) -> list[Any]:
    """Each tensor summed over the replicas of a `tf.distribute` strategy; None stays None."""
    if replicas() == 1.0:
        return tensors
    import tensorflow as tf

    there = [t for t in tensors if t is not None]
    summed = iter(
        tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, there)
        if there
        else ()
    )
    return [None if t is None else next(summed) for t in tensors]


def shared_by_terms(
    variables: Sequence[Any], of_terms: list[list[Any]], layers: Sequence[keras.layers.Layer]
) -> list[bool]:
    """Which variables two terms or more reach, and are in `layers` if any are given.

    Raises:
        UsageError: when there are none.
    """
    chosen = {id(v) for layer in layers for v in layer.trainable_variables}
    counts = [
        sum(g is not None for g in each) > 1 and (not chosen or id(variable) in chosen)
        for variable, each in zip(variables, zip(*of_terms, strict=True), strict=True)
    ]
    if not any(counts):
        where = " in the layers given as shared" if layers else ""
        raise UsageError(f"No weight is reached by two terms{where}: there is nothing to balance.")
    return counts


def gramian_of(of_terms: list[list[Any]], counts: Sequence[bool], scale: Any = 1.0) -> Any:
    """(K, K) inner products of the gradients over the variables that count, divided by scale^2."""
    total: Any = 0.0
    for each, counted in zip(zip(*of_terms, strict=True), counts, strict=True):
        if counted:
            size = next(int(np.prod(g.shape)) for g in each if g is not None)
            flat = [
                ops.zeros((size,)) if g is None else ops.reshape(ops.cast(g, "float32"), (-1,))
                for g in each
            ]
            matrix = ops.stack(flat)
            total = total + ops.matmul(matrix, ops.transpose(matrix))
    return total / scale / scale


class GradientMeter(keras.metrics.Metric):
    """The mean length of each term's gradient, and the mean cosine between each two.

    In the logs `gradient_norms/<a>` and `cosines/<a>/<b>`; below 0 two terms conflict.

    Args:
        names: of the terms.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(name="gradient_meter", dtype="float32")
        self.names = tuple(names)
        self.silent = False
        """True while validation runs, which has no gradients."""
        count = len(self.names)
        self.lengths = self.add_variable((count,), "zeros", name="lengths")
        self.cosines = self.add_variable((count, count), "zeros", name="cosines")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, gramian: Any) -> None:
        """Takes one (K, K) Gramian; one that is not finite is left out."""
        finite = ops.all(ops.isfinite(gramian))
        length = ops.sqrt(ops.maximum(ops.diagonal(gramian), 0.0))
        cosine = ops.divide_no_nan(gramian, length[:, None] * length[None, :])
        for total, value in (
            (self.lengths, length),
            (self.cosines, cosine),
            (self.count, ops.ones(())),
        ):
            total.assign_add(ops.where(finite, value, ops.zeros_like(value)))

    def result(self) -> Mapping[str, Any]:
        if self.silent:
            return {}
        lengths = ops.divide_no_nan(self.lengths, self.count)
        cosines = ops.divide_no_nan(self.cosines, self.count)
        found = {f"gradient_norms/{name}": lengths[i] for i, name in enumerate(self.names)}
        for i, a in enumerate(self.names):
            for j in range(i + 1, len(self.names)):
                found[f"cosines/{a}/{self.names[j]}"] = cosines[i, j]
        return found
