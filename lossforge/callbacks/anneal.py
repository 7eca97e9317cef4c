"""Any number of a loss, moved during training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from lossforge.callbacks.parameters import Parameter, find_parameter
from lossforge.callbacks.scheduled import ScheduleCarrier, Scheduled
from lossforge.errors import UsageError
from lossforge.losses.base import Loss
from lossforge.schedules import Schedule


class Anneal(keras.callbacks.Callback):
    """Moves a number of a loss, or the weight of a term, along a schedule.

    The number becomes a function of `optimizer.iterations` inside the compiled step: no retracing,
    exact with `steps_per_execution`, and a resumed run goes on where it was. `logs` of each epoch
    have the value that its last step used as `parameters/<target>`.

    Not every number can move: a loss that chooses a branch by it, or computes something from it
    when it is made, is refused at the first step that it would get wrong.

    >>> import lossforge
    >>> from lossforge.schedules import linear
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    >>> model.compile("sgd", loss=lossforge.Focal(gamma=0.0))
    >>> x, y = keras.ops.zeros((8, 4)), keras.ops.zeros((8,), "int32")
    >>> anneal = Anneal("gamma", linear(0.0, 2.0, steps=2))
    >>> history = model.fit(x, y, batch_size=2, verbose=0, callbacks=[anneal])
    >>> history.history["parameters/gamma"]
    [2.0]

    Args:
        target: `"<term>.<parameter>"` (`"focal.gamma"`), `"<term>.weight"`, or `"<parameter>"`
            where the model has one loss. A term is its path in the logs without `terms/`, or its
            last part where that is unique.
        schedule: step -> value, from `lossforge.schedules`.

    Raises:
        UsageError: when training starts: for a target that does not exist, that is no number, that
            another callback moves already, or that this loss reads only when it is made.
    """

    def __init__(self, target: str, schedule: Schedule) -> None:
        super().__init__()
        if not callable(schedule):
            raise UsageError(
                f"Anneal('{target}'): the schedule must be a function step -> value, such as "
                f"lossforge.schedules.linear(0.0, 1.0, steps=1000), got {schedule!r}."
            )
        self.target = target
        self.schedule = schedule
        self._moved: list[tuple[Parameter, Any, Scheduled]] = []
        self._carriers: list[ScheduleCarrier] = []

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        model.train_function = None  # a step compiled before does not read the schedule
        model.test_function = None

    def on_train_begin(self, logs=None):
        self.move(find_parameter(self.model, self.target), self.schedule)

    def move(self, parameter: Parameter, schedule: Schedule) -> None:
        """Puts the schedule in the place of a number."""
        before = parameter.value
        if isinstance(before, Scheduled):
            raise UsageError(f"'{self.target}' is moved by two callbacks; keep one of them.")
        scheduled = Scheduled(schedule, self.model.optimizer.iterations)
        _check(self.target, parameter, {float(schedule(at)) for at in (0, 10**9)})
        parameter.set(scheduled)
        self._moved.append((parameter, before, scheduled))
        if keras.backend.backend() == "jax":
            self._carriers.append(ScheduleCarrier(scheduled))
            self.model._metrics.append(self._carriers[-1])

    def on_train_batch_begin(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
            for _, _, scheduled in self._moved:
                scheduled.refresh()

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            step = int(ops.convert_to_numpy(self.model.optimizer.iterations))
            logs[f"parameters/{self.target}"] = float(self.schedule(step - 1))

    def on_train_end(self, logs=None):
        """The loss keeps its last value as a plain number."""
        for parameter, _, scheduled in self._moved:
            parameter.set(float(ops.convert_to_numpy(scheduled.value)))
        kept = [m for m in self.model._metrics if all(m is not c for c in self._carriers)]
        self.model._metrics[:] = kept
        self._moved, self._carriers = [], []
        self.model.train_function = None
        self.model.test_function = None


def _check(target: str, parameter: Parameter, values: Iterable[float]) -> None:
    """A loss that holds the number as a variable must equal one that is made with the number."""
    if parameter.is_weight:
        return
    from lossforge.kinds import KINDS
    from lossforge.testing import draw, rebuilt

    loss, name = parameter
    kind = next((KINDS[k] for k in loss.kinds if k in KINDS), None)
    if kind is None:
        return
    for value in values:
        try:
            made = rebuilt(loss, **{name: value}, reduction="sum")
        except ValueError as error:
            raise UsageError(f"'{target}' goes to {value:g}. {error}") from None
        held = rebuilt(loss, reduction="sum")
        setattr(held, name, keras.Variable(value, dtype="float32", trainable=False))
        y_true, y_pred = draw(loss, kind)
        try:
            expected, actual = made(y_true, y_pred), _compiled(held)(y_true, y_pred)
        except Exception:
            actual = expected = math.nan
        if not math.isclose(float(actual), float(expected), rel_tol=1e-4, abs_tol=1e-5):
            raise UsageError(
                f"'{target}' can't move: {type(loss).__name__} decides by its {name} when it is "
                "made. Choose another number, or train in stages."
            )


def _compiled(loss: Loss) -> Callable:
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(loss)
    import tensorflow as tf

    return tf.function(loss, autograph=False)
