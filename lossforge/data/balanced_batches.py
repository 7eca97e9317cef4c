"""P x K batches: P classes, K examples of each, as losses on pairs need them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from lossforge.errors import RecipeError


def balanced_batches(
    labels: np.ndarray, classes: int, examples: int, steps: int, seed: int = 0
) -> tf.data.Dataset:
    """Indices of examples, P x K a batch, drawn anew on each pass.

    Classes come in random order, all of them once before any comes again, but for those left over
    when P does not divide their number: they come first in another round as likely as any. Of each
    class K examples are drawn without putting any back; a class with fewer gives all it has, again
    and again, so that a class of one is K times the same example (of which a random view makes K
    views). The draws depend on the seed and the number of the pass only.

    Args:
        labels: (N,) class ids.
        classes: P, from 2: within one class there is nothing to tell apart. Where there are
            fewer classes, P is their number.
        examples: K.
        steps: batches a pass.
        seed: of the draws.

    Returns: a dataset of `steps` int32 vectors (P * K,), the examples of a class side by side.

    Raises:
        RecipeError: for fewer than two classes, of which nothing could be told apart, or counts
            below the least.

    >>> batches = balanced_batches(np.array([5, 5, 5, 8, 9, 9]), 2, 2, steps=3)
    >>> int(batches.cardinality()), next(iter(batches)).shape
    (3, TensorShape([4]))
    """
    labels = np.asarray(labels)
    names, dense, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise RecipeError(
            f"The training data has {len(names)} identity; learning to tell identities apart "
            "takes two or more."
        )
    for name, value, least in (
        ("classes_per_batch", classes, 2),
        ("examples_per_class", examples, 1),
        ("steps_per_epoch", steps, 1),
    ):
        if not isinstance(value, int) or value < least:
            raise RecipeError(f"{name} must be a whole number from {least}, got {value!r}.")
    members = np.argsort(dense, kind="stable").astype("int32")
    starts = (np.cumsum(counts) - counts).astype("int32")
    classes = min(classes, len(names))
    rounds = len(names) // classes

    def one_round(seed_pair):
        order = tf.argsort(tf.random.stateless_uniform((len(names),), seed_pair))
        return tf.data.Dataset.from_tensor_slices(
            tf.reshape(order[: rounds * classes], (rounds, classes))
        )

    def draw(chosen, seed_pair):
        count = tf.gather(counts.astype("int32"), chosen)
        keys = tf.random.stateless_uniform((classes, tf.reduce_max(count)), seed_pair)
        outside = tf.range(tf.reduce_max(count))[None] >= count[:, None]
        order = tf.argsort(tf.where(outside, 2.0, keys), axis=-1)
        again = tf.range(examples)[None] % count[:, None]
        picked = tf.gather(order, again, batch_dims=1)
        index = tf.gather(members, tf.gather(starts, chosen)[:, None] + picked)
        return tf.reshape(index, (classes * examples,))

    chosen = seed_pairs(seed).flat_map(one_round)
    drawn = tf.data.Dataset.zip(chosen, seed_pairs(seed + 1)).map(draw).take(steps)
    return drawn.apply(tf.data.experimental.assert_cardinality(steps))


def seed_pairs(seed: int) -> tf.data.Dataset:
    """Seeds (2,) int64 without end, others on each pass: for `tf.random.stateless_*`."""
    return tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
