"""The one training step for Balances that need the gradient of each term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lossforge.balance.base import BalanceState
from lossforge.balance.gradients.base import GradientBalance
from lossforge.callbacks.parameters import root_loss, several_terms
from lossforge.errors import UsageError
from lossforge.losses.base import replicas
from lossforge.losses.composite import Composite
from lossforge.training.lookahead import Lookahead
from lossforge.training.term_gradients import (
    GradientMeter,
    TermGradients,
    gramian_of,
    shared_by_terms,
    term_gradients,
)


class GradientStep:
    """A training step in which the terms of a loss share the weights by a rule on gradients.

    One forward pass, one backward pass a term. Their inner products on the shared weights make a
    K x K Gramian; the Balance turns it into K coefficients in the graph. A weight that only one
    term reaches (a head) takes that term's gradient. Under `tf.distribute` the gradients of each
    term are summed over the replicas first, so that all of them see the same Gramian.

    Args:
        model: compiled or to be compiled; its loss holds a Composite of two terms or more.
        balance: the rule.
        shared: a layer, or a list of layers, whose weights make up the Gramian; by default every
            weight that two terms or more reach.
        validation: for a Balance that learns from data held out: a `tf.data.Dataset` or a pair of
            arrays, as `fit` takes it.

    Raises:
        UsageError: for fewer than two terms; when it first runs, for layers that no two terms
            share; for a Balance that needs validation data without it.
    """

    def __init__(
        self,
        model: keras.Model,
        balance: GradientBalance,
        shared: keras.layers.Layer | Sequence[keras.layers.Layer] | None = None,
        validation: Any = None,
    ) -> None:
        root = root_loss(model)
        self.terms = several_terms(root)
        assert isinstance(root, Composite)  # it holds terms
        self.model, self.balance, self.root = model, balance, root
        layers = shared if isinstance(shared, Sequence) else [shared] if shared is not None else []
        self._layers = tuple(layers)
        names = list(self.terms.losses)
        self.meter = GradientMeter(names)
        self.state = BalanceState(balance, names)
        self._lookahead: Lookahead | None = None
        if balance.needs_validation:
            if validation is None:
                raise UsageError(
                    f"{type(balance).__name__} learns from data that is held out: give validation= "
                    "a tf.data.Dataset or (inputs, targets)."
                )
            self._lookahead = Lookahead(validation, balance.primary)

    def __call__(self, data: Any) -> dict[str, Any]:
        """Trains on one batch and returns the logs."""
        import tensorflow as tf

        model = self.model
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        found = term_gradients(model, self.root, self.terms, data)
        combined = self._combined(found)
        variables = model.trainable_variables
        # the optimizer sums over replicas what each of them has in full
        gradients = [None if g is None else g / replicas() for g in combined]
        both = [_plus(g, r) for g, r in zip(gradients, found.of_rest, strict=True)]
        model.optimizer.apply(both, variables)
        size = tf.shape(next(t for t in keras.tree.flatten(x) if t is not None))[0]
        model._loss_tracker.update_state(found.loss * replicas(), sample_weight=size)
        return model.compute_metrics(x, y, found.outputs, sample_weight)

    def _combined(self, found: TermGradients) -> list[Any]:
        """One gradient a variable, from K; state moves on, and logs see the coefficients."""
        variables, of_terms, values = self.model.trainable_variables, found.of_terms, found.values
        scale = self.model.optimizer.scale_loss(1.0)
        gramian = gramian_of(of_terms, shared_by_terms(variables, of_terms, self._layers), scale)
        state = self.state.state
        coefficients, new = self.balance.coefficients(gramian, values, state)
        own = self.balance.term_weights(coefficients, values)
        gradients = [
            self._share(number, each, coefficients, own, state)
            for number, each in enumerate(zip(*of_terms, strict=True))
        ]
        self.meter.update_state(gramian)
        self.root.give_back(found.waiting)
        self.terms.reweigh(coefficients)
        self.root.show()
        if self._lookahead is not None:
            seen = self._lookahead(self.model, self.root, self.terms, gradients, of_terms)
            new = {**new, **self.balance.learn(seen, state)}
        finite = ops.all(ops.isfinite(gramian)) & ops.all(ops.isfinite(values))
        self.state.assign(new, keep_if=finite)
        return gradients

    def _share(self, number: int, each: Any, coefficients: Any, own: Any, state: Any) -> Any:
        """The gradient of one variable from those of the terms that reach it."""
        there = {k: g for k, g in enumerate(each) if g is not None}
        if not there:
            return None
        if len(there) > 1 and hasattr(self.balance, "direction"):
            zero = ops.zeros_like(next(iter(there.values())))
            stacked = ops.stack([there.get(k, zero) for k in range(len(each))])
            return self.balance.direction(stacked, number, state)
        weight = coefficients if len(there) > 1 else own
        return sum(weight[k] * g for k, g in there.items())


def _plus(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b
