"""The base of every Balance: how the terms of a loss share the gradient."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from lossforge.losses.base import check_range
from lossforge.ranges import Choice, Float

State = dict[str, Any]

BALANCES: dict[str, type[Balance]] = {}


class Balance:
    """A rule from the values of K terms to one number, with a small state.

    A Balance holds no variables: `start` gives the state at step 0, `update` the next one, and
    `total` the number to minimise. All three are pure `keras.ops`. Whoever trains keeps the state
    (`BalanceState`), differentiates `total` in the values to know each term's effective weight,
    and lets those weights share the gradient.

    Constructor arguments are stored under their own names: they are the config, and the text
    (`Uncertainty(learning_rate=0.02)`) in specs and searches. Subclassing registers the class.
    """

    source: ClassVar[str] = ""
    """Authors, year, title."""
    search: ClassVar[dict[str, Float | Choice]] = {}
    """The range of each hyper-parameter that is worth searching."""
    update_first: ClassVar[bool] = True
    """True where a step's total uses the state that has seen its values."""
    needs_gradients: ClassVar[bool] = False
    """True for a Balance that needs the gradient of each term, and so a model of its own."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.source:
            BALANCES[cls.__name__] = cls

    def start(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The state before the first step, for terms of these names."""
        return {}

    def update(self, values: Any, state: State) -> State:
        """The state after a training step with these (K,) values; only what changes."""
        return {}

    def total(self, values: Any, state: State) -> Any:
        """The number to minimise, open to differentiation in the (K,) values."""
        raise NotImplementedError(f"{type(self).__name__} must define total(values, state).")

    def begin_epoch(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What changes in the state before an epoch, on NumPy arrays."""
        return {}

    def arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def get_config(self) -> dict[str, Any]:
        return self.arguments()

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = {n: v for n, v in self.arguments().items() if v != defaults[n].default}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def _check(self, name: str, value: float, low: float, high: float = np.inf) -> float:
        return check_range(type(self).__name__, name, value, low, high)


class BalanceState(keras.metrics.Metric):
    """Keeps the state of a Balance with a model: Keras carries and saves it as it does a metric.

    It survives epochs (`reset_state` does nothing) and is a part of `model.save_weights`, and so of
    `BackupAndRestore`. Under `tf.distribute` its variables are mirrored with mean aggregation.

    Args:
        balance: whose state.
        names: of the terms.
    """

    def __init__(self, balance: Balance, names: Sequence[str]) -> None:
        super().__init__(name="balance_state", dtype="float32")
        self.balance, self.names = balance, tuple(names)
        self.training = True
        self._slots = {}
        for name, value in balance.start(names).items():
            value = np.asarray(value, "float32")
            self._slots[name] = keras.Variable(
                value,
                dtype="float32",
                trainable=False,
                autocast=False,
                aggregation="mean",
                name=name,
            )
            setattr(self, f"state_{name}", self._slots[name])

    def __call__(self, values: Any) -> tuple[Any, Any]:
        """(total, its derivative in each value) for (K,) values; in training the state moves on.

        A step with a value that is not finite leaves the state alone: mixed precision with loss
        scaling skips such steps.
        """
        values = ops.stop_gradient(ops.cast(values, "float32"))
        before = self.state
        after = {**before, **self.balance.update(values, before)} if self.training else before
        use = after if self.balance.update_first else before
        total, weights = derivative(lambda v: self.balance.total(v, use), values)
        if self.training:
            self.assign(after, keep_if=ops.all(ops.isfinite(values)))
        return total, weights

    @property
    def state(self) -> State:
        return {name: ops.convert_to_tensor(variable) for name, variable in self._slots.items()}

    def assign(self, new: State, keep_if: Any = None) -> None:
        """Sets what changed; where `keep_if` is False the old state stays."""
        for name, value in new.items():
            variable = self._slots[name]
            value = ops.cast(ops.stop_gradient(value), "float32")
            if keep_if is not None:
                value = ops.where(keep_if, value, ops.convert_to_tensor(variable))
            variable.assign(value)

    def begin_epoch(self) -> None:
        before = {name: ops.convert_to_numpy(variable) for name, variable in self._slots.items()}
        for name, value in self.balance.begin_epoch(before).items():
            self._slots[name].assign(np.asarray(value, "float32"))

    def save_own_variables(self, store: Any) -> None:
        for name, variable in self._slots.items():
            store[name] = ops.convert_to_numpy(variable)

    def load_own_variables(self, store: Any) -> None:
        """Weights that were saved without a Balance leave its state as it is."""
        for name, variable in self._slots.items():
            if name in store.keys():
                variable.assign(store[name])

    def reset_state(self) -> None:
        """State outlives epochs."""

    def result(self) -> dict[str, Any]:
        """Nothing for the logs: the Composite shows effective weights."""
        return {}


def derivative(function: Any, x: Any) -> tuple[Any, Any]:
    """(function(x), its gradient in x), for a scalar function, inside any other gradient."""
    x = ops.stop_gradient(x)
    if keras.backend.backend() == "jax":
        import jax

        return jax.value_and_grad(function)(x)
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = function(x)
    slope = tape.gradient(total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return total, slope


def running_mean(mean: Any, values: Any, steps: Any, decay: float) -> Any:
    """The exponential mean after one more step, without the pull of its start.

    With `steps` values seen before, the newest counts (1 - decay) / (1 - decay^(steps + 1)): the
    first value is the mean of one, and later it is the usual exponential mean.
    """
    share = (
        (1.0 - decay) / (1.0 - ops.power(decay, steps + 1.0)) if decay < 1 else 1 / (steps + 1.0)
    )
    return mean + share * (values - mean)
