"""Reports a trial's score after each epoch, and stops it when it is not worth going on."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras


class TrialReport(keras.callbacks.Callback):
    """Ends `fit` in an orderly way when the pruner says so: other callbacks still end properly.

    After training, `step_seconds` is the median time of a step (without tracing, from the second
    epoch on), `terms` holds each term's mean after each epoch, and `shares` what it pulls: its
    weighted size over that of all.

    Args:
        trial: an Optuna trial.
        score: name of the metric in the logs.
        tell: called with (epoch from 1, score) after each epoch.
        prune: whether the pruner is asked at all.
        single: whether the study has one objective; only then it takes reports.
    """

    def __init__(
        self,
        trial: Any,
        score: str,
        tell: Callable[[int, float], None],
        prune: bool = True,
        single: bool = True,
    ) -> None:
        super().__init__()
        self._trial, self._score, self._tell = trial, score, tell
        self._prune, self._single = prune and single, single
        self._began = 0.0
        self._epochs: list[float] = []
        self._trained = 0.0
        self.pruned_at: int | None = None
        self.terms: dict[str, list[float]] = {}
        self.shares: dict[str, list[float]] = {}

    @property
    def step_seconds(self) -> float:
        later = self._epochs[1:] or self._epochs
        return statistics.median(later) if later else math.nan

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._trained = (time.monotonic() - self._began) / (batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        self._epochs.append(self._trained)
        for kept, prefix in ((self.terms, "terms/"), (self.shares, "shares/")):
            for name, value in logs.items():
                if name.startswith(prefix):
                    kept.setdefault(name.removeprefix(prefix), []).append(float(value))
        value = float(logs.get(self._score, math.nan))
        if not math.isfinite(value):
            return
        if self._single:
            self._trial.report(value, epoch + 1)
        self._tell(epoch + 1, value)
        last = epoch + 1 == self.params["epochs"]
        if self._prune and not last and self._trial.should_prune():
            self.pruned_at = epoch + 1
            self.model.stop_training = True
