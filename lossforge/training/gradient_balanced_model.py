"""A TermModel that trains with a Balance on gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from lossforge.balance.gradients.base import GradientBalance
from lossforge.callbacks.balancing import attach
from lossforge.errors import UsageError
from lossforge.losses.base import Loss
from lossforge.training.gradient_step import GradientStep
from lossforge.training.term_model import Readings, TermModel


class GradientBalancedModel(TermModel):
    """A TermModel whose terms share the weights of the network by a rule on their gradients.

    One forward pass, one backward pass a term; see `GradientStep`. `weights/<term>` in the logs are
    the coefficients, `gradient_norms/<term>` the mean length of a term's gradient on the shared
    weights, `cosines/<a>/<b>` the mean cosine between two: below 0 they conflict.

    It trains on TensorFlow.

    >>> import lossforge
    >>> inputs = keras.Input((4,))
    >>> trunk = keras.layers.Dense(8)(inputs)
    >>> network = keras.Model(inputs, {n: keras.layers.Dense(1)(trunk) for n in "ab"})
    >>> losses = {"a": lossforge.SmoothL1(), "b": lossforge.Huber()}
    >>> model = lossforge.forge(network, losses, balance="PCGrad()")
    >>> model.compile("sgd")
    >>> y = {"a": keras.ops.ones((8, 1)), "b": keras.ops.ones((8, 1))}
    >>> history = model.fit(keras.ops.ones((8, 4)), y, verbose=0)
    >>> sorted(n for n in history.history if n.startswith(("cosines", "gradient_norms")))
    ['cosines/a/b', 'gradient_norms/a', 'gradient_norms/b']

    Args:
        network: the model to train.
        read: as in `TermModel`.
        losses: a Loss for each slot; the terms are those of the outermost Composite of several.
        balance: a GradientBalance, or its text.
        shared: a layer, or a list of layers, whose weights make up the Gramian; by default every
            weight that two terms or more reach. GradNorm's paper takes the last shared layer.
        validation: for `AutoLambda`: a `tf.data.Dataset` or (inputs, targets).

    Raises:
        UsageError: for a Balance on values (use `callbacks.Balancing`), fewer than two terms, a
            layer that no two terms share, a Balance that misses its validation data, or another
            backend than TensorFlow.
    """

    def __init__(
        self,
        network: keras.Model,
        read: Callable[[Any, Any], Readings],
        losses: Mapping[str, Loss],
        balance: GradientBalance | str,
        shared: keras.layers.Layer | Sequence[keras.layers.Layer] | None = None,
        validation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, read, losses, **kwargs)
        if isinstance(balance, str):
            from lossforge.spec import parse_balance

            balance = parse_balance(balance)
        if not isinstance(balance, GradientBalance):
            raise UsageError(
                f"{type(balance).__name__} needs only values: use a TermModel with "
                "callbacks.Balancing, or forge(..., balance=...)."
            )
        self.balance = balance
        step = GradientStep(self, balance, shared, validation)
        object.__setattr__(self, "gradient_step", step)  # it holds this model: not a part of it
        attach(self, "", step.state)
        self._metrics.append(step.meter)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        if keras.backend.backend() != "tensorflow":
            raise UsageError(
                "GradientBalancedModel trains with KERAS_BACKEND=tensorflow, not "
                f"'{keras.backend.backend()}'; Balances on values work on both."
            )
        super().compile(*args, **kwargs)

    def train_step(self, data: Any) -> dict[str, Any]:
        return self.gradient_step(data)

    def test_step(self, data: Any) -> dict[str, Any]:
        logs = super().test_step(data)
        return {n: v for n, v in logs.items() if not n.startswith(("cosines/", "gradient_norms/"))}
