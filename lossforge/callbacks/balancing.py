"""A Balance at work in any model whose loss is a Composite."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras

from lossforge.balance.base import Balance, BalanceState
from lossforge.balance.gradients.base import GradientBalance
from lossforge.callbacks.loss_monitor import LossMonitor
from lossforge.callbacks.parameters import find_term, root_loss, several_terms
from lossforge.callbacks.training_step import unwrap_step, wrap_step
from lossforge.errors import UsageError
from lossforge.losses.composite import Composite

if TYPE_CHECKING:
    from lossforge.training.gradient_step import GradientStep


class Balancing(LossMonitor):
    """Lets a Balance weigh the terms of a Composite, and logs what it does.

    The weights that the user gave multiply each value before the Balance sees it. State is kept
    with the model: it survives epochs, a second `fit`, `save_weights`, and `BackupAndRestore`. At
    validation the state stands still. Logs are those of `LossMonitor`; the weights that the
    Balance gives are `weights/<term>`.

    A Balance that needs gradients takes the place of the model's training step until training
    ends, on TensorFlow: one forward pass, one backward pass a term. Logs then have
    `gradient_norms/<term>` and `cosines/<a>/<b>` too.

    >>> import lossforge
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    >>> terms = {"ce": lossforge.CrossEntropy(), "focal": lossforge.Focal()}
    >>> model.compile("sgd", loss=lossforge.Composite(terms))
    >>> x, y = keras.ops.zeros((8, 4)), keras.ops.zeros((8,), "int32")
    >>> logs = model.fit(x, y, verbose=0, callbacks=[Balancing("GeometricMean()")]).history
    >>> round(logs["weights/ce"][0] * logs["terms/ce"][0] / logs["loss"][0], 4)
    0.5

    Args:
        balance: a Balance, or its text: `"Uncertainty(learning_rate=0.02)"`, or only its name.
        of: path of a nested Composite; by default the outermost with more than one term. Not for
            a Balance that needs gradients.
        weights: whether to log effective weights and shares.
        shared: for a Balance that needs gradients: a layer, or a list of layers, whose weights
            count; by default all that two terms reach.
        validation: for `AutoLambda`: a `tf.data.Dataset` or (inputs, targets).

    Raises:
        UsageError: for a model whose loss has no two terms; for a Balance that needs gradients on
            another backend than TensorFlow, or on a model with a training step of its own.
        RecipeError: for a text that is not a Balance.
    """

    def __init__(
        self,
        balance: Balance | str,
        of: str | None = None,
        weights: bool = True,
        shared: keras.layers.Layer | Sequence[keras.layers.Layer] | None = None,
        validation: Any = None,
    ) -> None:
        super().__init__(weights)
        from lossforge.spec import parse_balance

        self.balance: Balance = parse_balance(balance) if isinstance(balance, str) else balance
        if self.balance.needs_gradients and of:
            name = type(self.balance).__name__
            raise UsageError(f"{name} takes the outermost terms: leave out of=.")
        self._of, self._shared, self._validation = of, shared, validation
        self._step: GradientStep | None = None

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        key = self._of or ""
        kept = getattr(model, "balance_states", {}).get(key)
        if kept is not None and repr(kept.balance) != repr(self.balance):
            kept = None
        if isinstance(self.balance, GradientBalance):
            self.state = self._take_over(model, self.balance, kept)
        else:
            composite = self._composite(model)
            self.state = kept or self._made(
                model, lambda: BalanceState(self.balance, list(composite.losses))
            )
            composite.balance_state = self.state
        attach(model, key, self.state)
        model.train_function = model.test_function = None

    def _take_over(
        self, model: keras.Model, balance: GradientBalance, kept: BalanceState | None
    ) -> BalanceState:
        """Puts a step that combines gradients in the place of the model's."""
        from lossforge.training.gradient_step import GradientStep

        if keras.backend.backend() != "tensorflow":
            raise UsageError(
                f"{type(balance).__name__} needs gradients and trains with "
                f"KERAS_BACKEND=tensorflow, not '{keras.backend.backend()}'; Balances on values "
                "work on both."
            )
        if type(model).train_step is not keras.Model.train_step:
            raise UsageError(
                f"{type(model).__name__} has a training step of its own, which "
                f"{type(balance).__name__} would replace: give it a Balance on values."
            )
        self._step = self._made(
            model, lambda: GradientStep(model, balance, self._shared, self._validation)
        )
        if kept is not None:
            self._step.state = kept
        self._without_meter(model).append(self._step.meter)
        step = self._step
        wrap_step(model, "balance", lambda _: step)
        return step.state

    @staticmethod
    def _without_meter(model: keras.Model) -> list[keras.metrics.Metric]:
        from lossforge.training.term_gradients import GradientMeter

        model._metrics[:] = [m for m in model._metrics if not isinstance(m, GradientMeter)]
        return model._metrics

    def _made(self, model: keras.Model, make: Callable[[], Any]) -> Any:
        """Variables where the model has its own."""
        scope = contextlib.nullcontext()
        if keras.backend.backend() == "tensorflow":
            scope = model.distribute_strategy.scope()
        try:
            with scope:
                return make()
        except ValueError as error:
            raise UsageError(str(error)) from None

    def _composite(self, model: keras.Model) -> Composite:
        found = root_loss(model)
        if self._of:
            parameter = find_term(model, self._of)
            found = parameter.owner.losses[parameter.name]
        return several_terms(found)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.state.begin_epoch()

    def on_test_begin(self, logs: Any = None) -> None:
        self.state.training = False  # read when the test step is traced
        if self._step is not None:
            self._step.meter.silent = True

    def on_test_end(self, logs: Any = None) -> None:
        self.state.training = True
        if self._step is not None:
            self._step.meter.silent = False

    def on_train_end(self, logs: Any = None) -> None:
        """A model gets its own step back; the state stays with it."""
        if self._step is not None:
            self._without_meter(self.model)
            unwrap_step(self.model, "balance")
            self.model.test_function = None


def attach(model: keras.Model, key: str, state: BalanceState) -> None:
    """Makes a state a part of the model: carried through its steps, and saved with its weights."""
    kept = getattr(model, "balance_states", None)
    if kept is None:
        kept = {}
        # Past Keras's tracking: a built model takes no new state, but saves what it has.
        object.__setattr__(model, "balance_states", kept)
    old = kept.get(key)
    kept[key] = state
    metrics = [m for m in model._metrics if m is not old and m is not state]
    model._metrics[:] = [*metrics, state]
