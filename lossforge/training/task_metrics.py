"""The task's own metrics after every epoch."""

from __future__ import annotations

from typing import Any

import keras


class TaskMetrics(keras.callbacks.Callback):
    """Adds `val_<metric>` to the logs of each epoch, measured by the task on `dataset`.

    First in the list of callbacks: those after it see the metrics in their logs.
    """

    def __init__(self, task: Any, dataset: Any) -> None:
        super().__init__()
        self._task = task
        self._dataset = dataset

    def on_epoch_end(self, epoch, logs=None):
        if not self.model.stop_training:  # a diverged model has nothing to measure
            metrics = self._task.evaluate(self._dataset)
            logs.update({f"val_{name}": value for name, value in metrics.items()})
