"""Progress of a training run: one line an epoch, with the terms, the metric and the time left."""

from __future__ import annotations

import time

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingProgress(keras.callbacks.Callback):
    """A bar over all steps on a terminal, and a line for each finished epoch everywhere."""

    def __init__(self, steps_per_epoch: int, console: Console | None = None) -> None:
        super().__init__()
        self._steps = steps_per_epoch
        self._console = console or Console(highlight=False)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._epoch = 0

    def on_train_begin(self, logs=None):
        self._start = time.monotonic()
        epochs = self.params["epochs"]
        self._bar.start()
        self._task = self._bar.add_task(
            "", total=epochs * self._steps, epoch=1, epochs=epochs, loss="-"
        )

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = f"{float((logs or {}).get('loss', 0.0)):.4g}"
        done = self._epoch * self._steps + batch + 1
        self._bar.update(self._task, completed=done, epoch=self._epoch + 1, loss=loss)

    def on_epoch_end(self, epoch, logs=None):
        spent = time.monotonic() - self._start
        epochs = self.params["epochs"]
        left = spent / (epoch + 1) * (epochs - epoch - 1)
        values = "  ".join(f"{name} {float(value):.4g}" for name, value in (logs or {}).items())
        self._console.print(
            f"epoch {epoch + 1}/{epochs}  {values}  {spent:.0f} s, {left:.0f} s left",
            soft_wrap=True,
        )

    def on_train_end(self, logs=None):
        self._bar.stop()
