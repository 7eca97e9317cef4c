"""A training that can be killed at any time: everything it needs to go on, written each epoch."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossforge.errors import StudyError
from lossforge.run import write_atomically

_META = "meta"


class Checkpoint(keras.callbacks.Callback):
    """Writes the state of a training after each epoch; reads it to go on.

    State is every variable of the model (weights, seeds of dropout, balances) and of its
    optimizers, the number of finished epochs and the logs of the last one. The file is written
    beside the old one and renamed, so that there is always one whole checkpoint. Last in the list
    of callbacks: what they wrote is there when an epoch counts as finished.

    Args:
        path: of the file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)

    def check(self, model: keras.Model) -> None:
        """Whether the stored state, if there is one, is that of this model, which must be built.

        Raises:
            StudyError: when it is another model's.
        """
        if not self.path.is_file():
            return
        with np.load(self.path) as stored:
            shapes = {name: stored[name].shape for name in stored.files if name != _META}
        if shapes != {name: tuple(v.shape) for name, v in _variables(model)}:
            raise StudyError(
                f"The checkpoint {self.path} does not fit the model that the recipe builds now. "
                "Resume with the recipe and the packages that the run began with."
            )

    def on_train_begin(self, logs=None):
        """Puts back what is stored: here, because building the model draws from its seeds."""
        if self.path.is_file():
            with np.load(self.path) as stored:
                for name, variable in _variables(self.model):
                    variable.assign(stored[name])

    def on_epoch_end(self, epoch, logs=None):
        if self.model.stop_training and not np.isfinite((logs or {}).get("loss", 0.0)):
            return  # the state before it turned NaN is worth more
        values = {n: float(v) for n, v in (logs or {}).items()}
        meta = json.dumps({"epochs": epoch + 1, "logs": values})
        arrays = {n: keras.ops.convert_to_numpy(v) for n, v in _variables(self.model)}
        content = io.BytesIO()
        np.savez(content, **{_META: np.array(meta)}, **arrays)
        write_atomically(self.path, content.getvalue())


def finished_epochs(path: str | Path) -> tuple[int, dict[str, float]]:
    """(epochs that the checkpoint has behind it, logs of the last); (0, {}) without one."""
    if not Path(path).is_file():
        return 0, {}
    with np.load(path) as stored:
        meta = json.loads(str(stored[_META]))
    return meta["epochs"], meta["logs"]


def stream(dataset: Any, steps: int, epochs: int, done: int) -> Any:
    """All passes over the data as one dataset, of `steps` batches each; those that are done are
    only begun.

    A dataset that shuffles anew in each pass draws that order when a pass begins. As one stream
    there is one beginning an epoch, whatever iterators Keras makes and throws away, so the order
    of an epoch is the same in a training that was interrupted. Other data than `tf.data` is
    returned as it is.
    """
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        return dataset

    def one_pass(epoch: tf.Tensor) -> tf.data.Dataset:
        finished, one = epoch < done, tf.constant(1, tf.int64)
        return dataset.take(tf.where(finished, one, steps)).skip(tf.where(finished, one, 0 * one))

    return tf.data.Dataset.range(epochs).flat_map(one_pass)


def build(model: keras.Model, network: keras.Model) -> None:
    """Builds a model around a network before `fit` would, for which it draws from the data."""
    if not model.built:
        inputs = network.inputs
        model(inputs[0] if len(inputs) == 1 else inputs)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _optimizers(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    found = [model.optimizer, *vars(model).values()]
    unique = {id(o): o for o in found if isinstance(o, keras.optimizers.Optimizer)}
    return list(unique.values())


def _variables(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """(name, variable) in the order of creation, which the same recipe repeats."""
    for number, variable in enumerate(model.variables):
        yield f"model/{number}", variable
    for path, state in getattr(model, "balance_states", {}).items():
        for number, variable in enumerate(state.variables):
            yield f"balance_{path}/{number}", variable
    for which, optimizer in enumerate(_optimizers(model)):
        for number, variable in enumerate(optimizer.variables):
            yield f"optimizer_{which}/{number}", variable
