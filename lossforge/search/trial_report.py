"""Reports a trial's score after each epoch, and stops it when it is not worth going on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras


class TrialReport(keras.callbacks.Callback):
    """Ends `fit` in an orderly way when the pruner says so: other callbacks still end properly.

    Args:
        trial: an Optuna trial.
        score: name of the metric in the logs.
        tell: called with (epoch from 1, score) after each epoch.
        prune: whether the pruner is asked at all.
    """

    def __init__(
        self, trial: Any, score: str, tell: Callable[[int, float], None], prune: bool = True
    ) -> None:
        super().__init__()
        self._trial, self._score, self._tell, self._prune = trial, score, tell, prune
        self.pruned_at: int | None = None

    def on_epoch_end(self, epoch, logs=None):
        value = float((logs or {}).get(self._score, math.nan))
        if not math.isfinite(value):
            return
        self._trial.report(value, epoch + 1)
        self._tell(epoch + 1, value)
        last = epoch + 1 == self.params["epochs"]
        if self._prune and not last and self._trial.should_prune():
            self.pruned_at = epoch + 1
            self.model.stop_training = True
