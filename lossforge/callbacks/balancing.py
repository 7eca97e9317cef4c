"""A Balance at work in any model whose loss is a Composite."""

from __future__ import annotations

from typing import Any

import keras

from lossforge.balance.base import Balance, BalanceState
from lossforge.callbacks.loss_monitor import LossMonitor
from lossforge.callbacks.parameters import find_term, root_loss, several_terms
from lossforge.errors import UsageError
from lossforge.losses.composite import Composite


class Balancing(LossMonitor):
    """Lets a Balance weigh the terms of a Composite, and logs what it does.

    The weights that the user gave multiply each value before the Balance sees it. State is kept
    with the model: it survives epochs, a second `fit`, `save_weights`, and `BackupAndRestore`. At
    validation the state stands still. Logs are those of `LossMonitor`; the weights that the
    Balance gives are `weights/<term>`.

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
        of: path of a nested Composite; by default the outermost with more than one term.
        weights: whether to log effective weights and shares.

    Raises:
        UsageError: for a Balance that needs gradients (train those in a `GradientBalancedModel`),
            or a model whose loss has no two terms.
        RecipeError: for a text that is not a Balance.
    """

    def __init__(self, balance: Balance | str, of: str | None = None, weights: bool = True) -> None:
        super().__init__(weights)
        if isinstance(balance, str):
            from lossforge.spec import parse_balance

            balance = parse_balance(balance)
        if balance.needs_gradients:
            raise UsageError(
                f"{type(balance).__name__} needs the gradient of each term: train in a "
                "lossforge.GradientBalancedModel, or with train(..., balance=...)."
            )
        self.balance = balance
        self._of = of

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        composite = self._composite(model)
        kept = getattr(model, "balance_states", {})
        key = self._of or ""
        state = kept.get(key)
        if state is None or repr(state.balance) != repr(self.balance):
            try:
                state = self._new_state(model, list(composite.losses))
            except ValueError as error:
                raise UsageError(str(error)) from None
        attach(model, key, state)
        composite.balance_state = self.state = state
        model.train_function = model.test_function = None

    def _new_state(self, model: keras.Model, names: list[str]) -> BalanceState:
        if keras.backend.backend() != "tensorflow":
            return BalanceState(self.balance, names)
        with model.distribute_strategy.scope():
            return BalanceState(self.balance, names)

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

    def on_test_begin(self, logs=None):
        self.state.training = False  # read when the test step is traced

    def on_test_end(self, logs=None):
        self.state.training = True


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
