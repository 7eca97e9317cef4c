"""What one training step would do to data that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lossforge.errors import UsageError
from lossforge.losses.composite import Composite
from lossforge.training.term_gradients import sum_over_replicas, watched

MOST_EXAMPLES = 4096
BATCH = 64


class Lookahead:
    """How each term's gradient agrees with the slope of the loss on held-out data, one step on.

        theta' = theta - rate sum_k w_k g_k;    product_k = grad L(theta') . g_k

    where L is the held-out loss, the sum of its terms. -rate product_k is its derivative in w_k:
    exact, because theta' is linear in w. Batches of 64 held-out examples follow each other by the
    optimizer's step, so that a resumed training sees the same ones. Layers run as in inference, and
    nothing that they change is kept.

    Args:
        validation: a `tf.data.Dataset` of batches, or (inputs, targets). At most its first 4,096
            examples are kept, in memory.
        primary: names of the terms that the held-out loss is made of; none for all.

    Raises:
        UsageError: for data without an example or without targets.
    """

    def __init__(self, validation: Any, primary: Sequence[str] = ()) -> None:
        self._primary = tuple(primary)
        self._examples = _in_memory(validation)
        first = keras.tree.flatten(self._examples)[0]
        self._count = int(first.shape[0])

    def __call__(
        self,
        model: keras.Model,
        root: Composite,
        terms: Composite,
        gradients: list[Any],
        of_terms: list[list[Any]],
    ) -> Any:
        """(K,) products.

        Args:
            model: that trains on `root`.
            root: the loss.
            terms: the part of it whose terms are weighed.
            gradients: the gradient of the step, of each trainable variable or None.
            of_terms: the gradient of each term. Both are as many times too long as the optimizer
                scales its loss.
        """
        import tensorflow as tf

        scale = model.optimizer.scale_loss(1.0)
        rate = ops.cast(model.optimizer.learning_rate, "float32") / scale
        variables = model.trainable_variables
        ahead = [
            ops.convert_to_tensor(v.value) - (0.0 if g is None else ops.cast(rate * g, v.dtype))
            for v, g in zip(variables, gradients, strict=True)
        ]
        x, y = self._batch(model.optimizer.iterations)
        with (
            tf.GradientTape() as tape,
            keras.StatelessScope(list(zip(variables, ahead, strict=True))),
            watched(root, terms) as seen,
        ):
            tape.watch(ahead)
            outputs = model(x, training=False) if model._call_has_training_arg else model(x)
            model._compute_loss(x, y, outputs, None, False)
            judged = [v for n, v in seen.items() if not self._primary or n in self._primary]
            total = sum(judged)
        root.take()
        slopes = sum_over_replicas(tape.gradient(total, ahead))
        return ops.stack([_product(slopes, each) / scale for each in of_terms])

    def _batch(self, iterations: Any) -> Any:
        start = ops.cast(iterations, "int32") * BATCH
        rows = (start + ops.arange(min(BATCH, self._count))) % self._count
        return keras.tree.map_structure(lambda t: ops.take(t, rows, axis=0), self._examples)


def _product(a: list[Any], b: list[Any]) -> Any:
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return sum((ops.sum(ops.cast(x * y, "float32")) for x, y in pairs), ops.zeros(()))


def _in_memory(validation: Any) -> Any:
    """(inputs, targets) as tensors of all examples."""
    if hasattr(validation, "element_spec"):
        batches, count = [], 0
        for batch in validation:
            batches.append(batch[:2])
            count += int(keras.tree.flatten(batch)[0].shape[0])
            if count >= MOST_EXAMPLES:
                break
        if batches:
            joined = keras.tree.map_structure(lambda *parts: ops.concatenate(parts), *batches)
            validation = tuple(joined)
        else:
            validation = ()
    if not isinstance(validation, tuple | list) or len(validation) < 2:
        raise UsageError(
            "validation must be a tf.data.Dataset of batches or (inputs, targets), "
            f"got {type(validation).__name__}."
        )
    cut = keras.tree.map_structure(
        lambda t: ops.convert_to_tensor(t)[:MOST_EXAMPLES], tuple(validation[:2])
    )
    if not int(keras.tree.flatten(cut)[0].shape[0]):
        raise UsageError("The validation data has no example.")
    return cut
