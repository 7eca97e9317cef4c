"""A term that enters late."""

from __future__ import annotations

from lossforge.callbacks.anneal import Anneal
from lossforge.callbacks.parameters import find_term
from lossforge.errors import UsageError
from lossforge.schedules import linear


class LossWarmup(Anneal):
    """Holds a term at weight 0 for a while, then lets it in along a ramp up to its own weight.

        weight(step) = weight * clip((step - begin) / ramp, 0, 1)

    The classic use is a generator that learns on its pixel loss before a critic may speak:
    `LossWarmup("critic", begin=2000, ramp=500)`. A ramp of 0 switches the term on at once.
    `logs` have the weight as `parameters/<term>.weight`.

    >>> import keras, lossforge
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    >>> terms = {"ce": lossforge.CrossEntropy(), "focal": (0.5, lossforge.Focal())}
    >>> model.compile("sgd", loss=lossforge.Composite(terms))
    >>> x, y = keras.ops.zeros((8, 4)), keras.ops.zeros((8,), "int32")
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[LossWarmup("focal", begin=1)])
    >>> history.history["parameters/focal.weight"]
    [0.0, 0.5]

    Args:
        term: its path in the logs without `terms/`, or its last part.
        begin: steps of the optimizer, or epochs, during which the term counts nothing.
        ramp: steps, or epochs, from 0 to the full weight.
        unit: `"steps"` or `"epochs"`, for both numbers.

    Raises:
        UsageError: for negative numbers or an unknown unit; when training starts, for a term that
            does not exist, or epochs of unknown length.
    """

    def __init__(self, term: str, begin: int = 0, ramp: int = 0, unit: str = "steps") -> None:
        if begin < 0 or ramp < 0 or begin + ramp == 0:
            raise UsageError(
                f"LossWarmup('{term}'): begin and ramp must be >= 0 and not both 0, "
                f"got {begin!r} and {ramp!r}."
            )
        if unit not in ("steps", "epochs"):
            raise UsageError(f"LossWarmup('{term}'): unit is 'steps' or 'epochs', got {unit!r}.")
        super().__init__(f"{term}.weight", lambda step: 0.0)
        self.term, self.begin, self.ramp, self.unit = term, begin, ramp, unit

    def on_train_begin(self, logs=None):
        parameter = find_term(self.model, self.term)
        steps = self._steps_per_unit()
        begin, ramp = round(self.begin * steps), round(self.ramp * steps)
        weight = parameter.owner.weights[parameter.name]
        if ramp < 1:  # 0 up to step begin - 1, the full weight at step begin
            begin, ramp = begin - 1, 1
        self.schedule = linear(0.0, weight, ramp, begin)
        self.move(parameter, self.schedule)

    def _steps_per_unit(self) -> int:
        if self.unit == "steps":
            return 1
        steps = self.params.get("steps")
        if not steps:
            raise UsageError(
                f"LossWarmup('{self.term}', unit='epochs'): the length of an epoch is not known "
                "before the first one; give begin and ramp in steps."
            )
        return steps
