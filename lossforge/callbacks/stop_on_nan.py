"""Ends training at the first loss that is not a number, and says which term it was."""

from __future__ import annotations

import math

import keras


class StopOnNaN(keras.callbacks.Callback):
    """Stops at the first NaN or infinite loss; `reason` says where and which term.

    Unlike `keras.callbacks.TerminateOnNaN` it names the term, and keeps the reason.

    >>> StopOnNaN().reason is None
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason: str | None = None
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._look(logs or {}, f"at step {batch + 1} of epoch {self._epoch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._look(logs or {}, f"in epoch {epoch + 1}")

    def _look(self, logs, where):
        if self.reason is None and not math.isfinite(float(logs.get("loss", 0.0))):
            terms = {n: v for n, v in logs.items() if n.startswith("terms/")}
            bad = [n for n, v in terms.items() if not math.isfinite(float(v))]
            terms = f" (in {', '.join(bad)})" if bad else ""
            self.reason = f"the loss is {float(logs['loss'])} {where}{terms}"
            self.model.stop_training = True
