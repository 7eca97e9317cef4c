"""Ends training at the first loss that is not a number, and says which term, batch and file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from lossforge.callbacks.loss_monitor import LossMonitor
from lossforge.callbacks.training_step import Step, unwrap_step, wrap_step


class StopOnNaN(LossMonitor):
    """Stops at the first NaN or infinite loss; `reason` says which term, which batch, which file.

    Unlike `keras.callbacks.TerminateOnNaN` it names the term that went first (every term of a
    Composite is in the logs as `terms/<name>`), counts batches right with `steps_per_execution`,
    and saves that batch: `np.load("nan_batch.npz")` has the tensors that the step was given,
    `x`, `y` and `sample_weight`, with the keys of dicts behind a slash (`y/boxes`). The compiled
    step looks at its loss, and hands the batch out only when it is no number. With
    `jit_compile=True` on TensorFlow, whose compiler has no way out, and on several replicas under
    `tf.distribute`, the batch is named but not saved.

    >>> import lossforge
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", loss=lossforge.Composite({"mse": lossforge.MSE()}))
    >>> stop = StopOnNaN(path=None)
    >>> x = np.array([[1.0, 1.0], [np.inf, 1.0]])
    >>> history = model.fit(x, x[:, :1], batch_size=1, shuffle=False, verbose=0, callbacks=[stop])
    >>> stop.reason.partition(" at ")[2]
    'step 2 of epoch 1 (in terms/mse)'

    Args:
        path: where the batch is saved, replacing what is there; None for nowhere.
    """

    def __init__(self, path: str | Path | None = "nan_batch.npz") -> None:
        super().__init__(weights=False)
        self.path = None if path is None else Path(path)
        self.reason: str | None = None
        self._epoch = 0
        self._bad_steps = 0  # steps of an execution whose running loss was no number
        self._first_terms: dict[str, Any] = {}
        self._saves = False

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self.reason, self._bad_steps, self._first_terms = None, 0, {}
        self._saves = self._can_save(model)
        if self._saves:
            wrap_step(model, "stop_on_nan", self._around)

    def _can_save(self, model: keras.Model) -> bool:
        if self.path is None:
            return False
        if keras.backend.backend() == "jax":
            return True
        return not model.jit_compile and model.distribute_strategy.num_replicas_in_sync == 1

    def _around(self, step: Step) -> Step:
        if keras.backend.backend() == "jax":
            return lambda state, data: self._on_jax(step, state, data)
        return lambda data: self._on_tensorflow(step, data)

    def _on_tensorflow(self, step: Step, data: Any) -> Any:
        import tensorflow as tf

        logs = step(data)
        tensors = {"batch": _named(data), "terms": _terms(logs)}
        flat = keras.tree.flatten(tensors)

        def keep(*arrays: Any) -> np.int32:
            self._keep(keras.tree.pack_sequence_as(tensors, arrays))
            return np.int32(0)

        def save() -> Any:
            return tf.numpy_function(keep, flat, tf.int32)

        tf.cond(tf.math.is_finite(logs["loss"]), lambda: tf.constant(0), save)
        return logs

    def _on_jax(self, step: Step, state: Any, data: Any) -> Any:
        import jax

        logs, state = step(state, data)
        jax.lax.cond(
            ops.isfinite(logs["loss"]),
            lambda tensors: None,
            lambda tensors: jax.debug.callback(self._keep, tensors),
            {"batch": _named(data), "terms": _terms(logs)},
        )
        return logs, state

    def _keep(self, seen: Mapping[str, Mapping[str, Any]]) -> None:
        """Saves the first batch that is given with its terms, and counts those after it."""
        self._bad_steps += 1
        if self._bad_steps == 1 and self.path is not None:
            self._first_terms = dict(seen["terms"])
            self.path.parent.mkdir(parents=True, exist_ok=True)
            arrays: dict[str, Any] = {n: np.asarray(a) for n, a in seen["batch"].items()}
            np.savez(self.path, **arrays)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.reason is None and not math.isfinite(float((logs or {}).get("loss", 0.0))):
            if self._saves and keras.backend.backend() == "jax":
                import jax

                jax.effects_barrier()
            step = batch + 1 - max(self._bad_steps - 1, 0)  # the first bad one of an execution
            self._stop(logs, f"at step {step} of epoch {self._epoch + 1}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.reason is None and not math.isfinite(float((logs or {}).get("loss", 0.0))):
            self._stop(logs, f"in epoch {epoch + 1}")

    def on_train_end(self, logs: Any = None) -> None:
        if self._saves:
            unwrap_step(self.model, "stop_on_nan")

    def _stop(self, logs: Any, where: str) -> None:
        terms = self._first_terms or _terms(logs)
        bad = [n for n, v in terms.items() if not math.isfinite(float(v))]
        named = f" (in {', '.join(bad)})" if bad else ""
        saved = ""
        if self._bad_steps:
            saved = f"; that batch is in {self.path}"
        elif self.path is not None and not self._saves:
            saved = "; with jit_compile=False, on one device, that batch would be saved"
        self.reason = f"the loss is {float(logs['loss'])} {where}{named}{saved}"
        self.model.stop_training = True


def _terms(logs: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in logs.items() if n.startswith("terms/")}


def _named(data: Any) -> dict[str, Any]:
    """The tensors of a batch by name: `x`, `y`, `sample_weight`, with the paths of what they hold.

    >>> sorted(_named((1.0, {"a": 2.0, "b": [3.0, 4.0]})))
    ['x', 'y/a', 'y/b/0', 'y/b/1']
    """
    parts = zip(
        ("x", "y", "sample_weight"), keras.utils.unpack_x_y_sample_weight(data), strict=True
    )
    return {
        "/".join((name, *map(str, path))): leaf
        for name, part in parts
        if part is not None
        for path, leaf in keras.tree.flatten_with_path(part)
        if leaf is not None
    }
