"""How hard a loss pulls: the size of its gradient with respect to the network's outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from lossforge.losses.base import Loss
from lossforge.training.term_model import slot_value


def gradient_scale(task: Any, dataset: Any) -> Callable[[str, Loss], float] | None:
    """(slot, loss) -> root of the mean square of d loss / d outputs, on the first batch.

    Measured at the network's first weights, once for each loss text. A sum of terms whose weights
    are divided by it does not mistake a loss in large units for an important one.

    None where it can't be measured: on other backends than TensorFlow, and for tasks that bring a
    model of their own.
    """
    if keras.backend.backend() != "tensorflow" or hasattr(task, "trainable"):
        return None
    import tensorflow as tf

    from lossforge import spec

    inputs, target = next(iter(dataset))[:2]
    outputs = task.network(inputs, training=False)
    known: dict[tuple[str, str], float] = {}

    def scale(slot: str, loss: Loss) -> float:
        key = (slot, spec.text(loss))
        if key not in known:
            flat = tf.nest.flatten(outputs)
            with tf.GradientTape() as tape:
                tape.watch(flat)
                readings = task.read(target, tf.nest.pack_sequence_as(outputs, flat))
                value = slot_value(task.slots[slot].fit(loss), readings[slot])
            gradients = [g for g in tape.gradient(value, flat) if g is not None]
            known[key] = math.sqrt(
                sum(float(tf.reduce_mean(tf.square(tf.convert_to_tensor(g)))) for g in gradients)
            )
        return known[key]

    return scale
