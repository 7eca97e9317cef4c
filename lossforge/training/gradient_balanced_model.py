"""The one training step for Balances that need the gradient of each term."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from lossforge.balance.base import BalanceState
from lossforge.balance.gradients.base import GradientBalance
from lossforge.callbacks.balancing import attach
from lossforge.callbacks.parameters import several_terms
from lossforge.errors import UsageError
from lossforge.losses.base import Loss
from lossforge.training.term_model import Readings, TermModel


class GradientBalancedModel(TermModel):
    """A TermModel whose terms share the weights of the network by a rule on their gradients.

    One forward pass, one backward pass a term. Their inner products on the shared weights make a
    K x K Gramian; the Balance turns it into K coefficients in the graph. A weight that only one
    term reaches (a head) takes that term's gradient. `weights/<term>` in the logs are the
    coefficients; `cosines/<a>/<b>` the mean cosine between two terms: below 0 they conflict.

    It trains on TensorFlow and one device.

    >>> import lossforge
    >>> inputs = keras.Input((4,))
    >>> trunk = keras.layers.Dense(8)(inputs)
    >>> network = keras.Model(inputs, {n: keras.layers.Dense(1)(trunk) for n in "ab"})
    >>> losses = {"a": lossforge.SmoothL1(), "b": lossforge.Huber()}
    >>> model = lossforge.forge(network, losses, balance="PCGrad()")
    >>> model.compile("sgd")
    >>> y = {"a": ops.ones((8, 1)), "b": ops.ones((8, 1))}
    >>> history = model.fit(ops.ones((8, 4)), y, verbose=0)
    >>> sorted(n for n in history.history if n.startswith("cosines"))
    ['cosines/a/b']

    Args:
        network: the model to train.
        read: as in `TermModel`.
        losses: a Loss for each slot; the terms are those of the outermost Composite of several.
        balance: a GradientBalance, or its text.
        shared: a layer, or a list of layers, whose weights make up the Gramian; by default every
            weight that two terms or more reach. GradNorm's paper takes the last shared layer.

    Raises:
        UsageError: for a Balance on values (use `callbacks.Balancing`), fewer than two terms, a
            layer that no two terms share, another backend than TensorFlow, or several
            replicas.
    """

    def __init__(
        self,
        network: keras.Model,
        read: Callable[[Any, Any], Readings],
        losses: Mapping[str, Loss],
        balance: GradientBalance | str,
        shared: keras.layers.Layer | Sequence[keras.layers.Layer] | None = None,
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
        self._balanced = several_terms(self.terms)
        names = list(self._balanced.losses)
        self._cosines = {
            (i, j): keras.metrics.Mean(name=f"cosines/{names[i]}/{names[j]}")
            for i in range(len(names))
            for j in range(i + 1, len(names))
        }
        layers = shared if isinstance(shared, Sequence) else [shared] if shared is not None else []
        self._layers_that_count = tuple(layers)
        self._coefficients = BalanceState(balance, names)
        attach(self, "", self._coefficients)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        if keras.backend.backend() != "tensorflow":
            raise UsageError(
                "GradientBalancedModel trains with KERAS_BACKEND=tensorflow, not "
                f"'{keras.backend.backend()}'; Balances on values work on both."
            )
        if self.distribute_strategy.num_replicas_in_sync > 1:
            raise UsageError(
                "GradientBalancedModel trains on one device, not under a tf.distribute strategy; "
                "Balances on values do."
            )
        super().compile(*args, **kwargs)

    def train_step(self, data: Any) -> dict[str, Any]:
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        seen: dict[str, Any] = {}
        self._balanced.on_values = seen.update
        self.terms.waits = True
        with tf.GradientTape(persistent=True) as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, sample_weight, training=True)
            scaled = [self.optimizer.scale_loss(value) for value in seen.values()]
            rest = self.optimizer.scale_loss(loss - sum(seen.values()))
        self._balanced.on_values, self.terms.waits = None, False
        of_terms = [tape.gradient(value, variables) for value in scaled]
        of_rest = tape.gradient(rest, variables) if self.losses else [None] * len(variables)
        del tape
        values = ops.stack(list(seen.values()))
        gradients = self._combined(variables, of_terms, values)
        self.optimizer.apply(
            [_plus(g, r) for g, r in zip(gradients, of_rest, strict=True)], variables
        )
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(values)[0])
        return self.compute_metrics(x, y, outputs, sample_weight)

    def _combined(self, variables: list, of_terms: list[list], values: Any) -> list:
        """One gradient a variable, from K; state moves on, and logs see the coefficients."""
        reached = [[g is not None for g in each] for each in zip(*of_terms, strict=True)]
        gramian = self._gramian(variables, of_terms, reached)
        state = self._coefficients.state
        coefficients, new = self.balance.coefficients(gramian, values, state)
        finite = ops.all(ops.isfinite(gramian)) & ops.all(ops.isfinite(values))
        self._coefficients.assign(new, keep_if=finite)
        self._show(gramian, coefficients)
        own = self.balance.term_weights(coefficients, values)
        gradients = []
        for number, each in enumerate(zip(*of_terms, strict=True)):
            terms = {k: ops.convert_to_tensor(g) for k, g in enumerate(each) if g is not None}
            if not terms:
                total = None
            elif len(terms) > 1 and hasattr(self.balance, "direction"):
                zero = ops.zeros_like(variables[number])
                stacked = ops.stack([terms.get(k, zero) for k in range(len(each))])
                total = self.balance.direction(stacked, number, state)
            else:
                weight = coefficients if len(terms) > 1 else own
                total = sum(weight[k] * g for k, g in terms.items())
            gradients.append(total)
        return gradients

    def _gramian(self, variables: list, of_terms: list[list], reached: list[list[bool]]) -> Any:
        chosen = {id(v) for layer in self._layers_that_count for v in layer.trainable_variables}
        counts = [
            sum(r) > 1 and (not chosen or id(v) in chosen)
            for v, r in zip(variables, reached, strict=True)
        ]
        if not any(counts):
            where = " in the layers given as shared" if chosen else ""
            raise UsageError(
                f"No weight is reached by two terms{where}: there is nothing to balance."
            )
        gramian = 0.0
        for number, counted in enumerate(counts):
            if counted:
                flat = [
                    ops.zeros((int(variables[number].shape.num_elements()),))
                    if g[number] is None
                    else ops.reshape(ops.cast(ops.convert_to_tensor(g[number]), "float32"), (-1,))
                    for g in of_terms
                ]
                matrix = ops.stack(flat)
                gramian = gramian + ops.matmul(matrix, ops.transpose(matrix))
        return gramian

    def _show(self, gramian: Any, coefficients: Any) -> None:
        self._balanced.reweigh(coefficients)
        self.terms.show()
        length = ops.sqrt(ops.diagonal(gramian))
        for (i, j), metric in self._cosines.items():
            metric.update_state(ops.divide_no_nan(gramian[i, j], length[i] * length[j]))

    @property
    def metrics(self) -> list:
        known = super().metrics
        return known + [m for m in self._cosines.values() if not any(m is k for k in known)]

    def test_step(self, data: Any) -> dict[str, Any]:
        logs = super().test_step(data)
        return {n: v for n, v in logs.items() if not n.startswith("cosines/")}


def _plus(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b
