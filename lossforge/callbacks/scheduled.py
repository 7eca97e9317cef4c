"""A number that moves with the optimizer's step, inside a compiled step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.schedules import Schedule


class Scheduled(keras.Variable):
    """A variable whose value is a schedule of `optimizer.iterations`.

    A loss that computes with `self.gamma` computes with this in its place. On TensorFlow the
    schedule is a part of the graph, so that it is exact with any `steps_per_execution`, moves
    without retracing, and has nothing to restore. On JAX a compiled step cannot see the optimizer:
    there the value is a variable, set before each call (`refresh`).

    Args:
        schedule: step -> value.
        iterations: the optimizer's counter.
    """

    def __init__(self, schedule: Schedule, iterations: Any) -> None:
        self._schedule = schedule
        self._iterations = iterations
        self._in_graph = keras.backend.backend() == "tensorflow"
        start = float(schedule(int(ops.convert_to_numpy(iterations))))
        super().__init__(start, dtype="float32", trainable=False, autocast=False, name="scheduled")

    @property
    def value(self) -> Any:
        if not self._in_graph or self._value is None:
            return super().value
        return ops.cast(self._schedule(self._iterations.value), "float32")

    def refresh(self) -> None:
        """Sets the value for the step to come, where the graph does not do it."""
        if not self._in_graph:
            self.assign(float(self._schedule(int(ops.convert_to_numpy(self._iterations)))))


class ScheduleCarrier(keras.metrics.Metric):
    """Takes a Scheduled through JAX's compiled step, which sees the variables of metrics."""

    def __init__(self, scheduled: Scheduled) -> None:
        super().__init__(name="schedule")
        self.scheduled = scheduled

    def reset_state(self) -> None:
        """A schedule has its own time."""

    def result(self) -> dict[str, Any]:
        """Nothing for the logs."""
        return {}
