"""Random numbers that are a function of a seed and the step: a resumed run draws the same."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def normal_at(step: Any, seed: int, shape: tuple[int, ...]) -> Any:
    return _draw("normal", step, seed, shape)


def uniform_at(step: Any, seed: int, shape: tuple[int, ...]) -> Any:
    return _draw("uniform", step, seed, shape)


def _draw(distribution: str, step: Any, seed: int, shape: tuple[int, ...]) -> Any:
    step = ops.cast(step, "int32")
    if keras.backend.backend() == "jax":
        import jax

        key = jax.random.fold_in(jax.random.PRNGKey(seed), step)
        return getattr(jax.random, distribution)(key, shape)
    import tensorflow as tf

    draw = getattr(tf.random, f"stateless_{distribution}")
    return draw(shape, seed=tf.stack([tf.constant(seed, tf.int32), step]))
