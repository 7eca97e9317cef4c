"""The base of a Balance that reads gradients: from a K x K Gramian to K coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from keras import ops

from lossforge.balance.base import Balance, State


class GradientBalance(Balance):
    """A rule from the gradients of K terms to one direction.

    Almost every rule is a combination of the K gradients whose coefficients depend on their inner
    products alone. So the model computes the Gramian G = g_i . g_j once, the rule solves a K x K
    problem, and no rule touches a vector as long as the network.

    Subclasses write `coefficients`; a rule that needs the gradients themselves writes `direction`.
    """

    needs_gradients: ClassVar[bool] = True
    needs_validation: ClassVar[bool] = False
    """True for a rule that learns from held-out data (`learn`)."""
    primary: Sequence[str] = ()
    """For such a rule: the terms that the held-out loss is made of; none for all."""

    def coefficients(self, gramian: Any, values: Any, state: State) -> tuple[Any, State]:
        """(K,) coefficients of the gradients on shared weights, and what changes in the state."""
        raise NotImplementedError(f"{type(self).__name__} must define coefficients(...).")

    def learn(self, products: Any, state: State) -> State:
        """What changes in the state, from the (K,) products of each term's gradient with the slope
        of the held-out loss after this step."""
        return {}

    def term_weights(self, coefficients: Any, values: Any) -> Any:
        """(K,) weights of the terms on weights that only one of them has; 1 each by default.

        A rule that gives weights of terms gives those; a rule that only bends the shared direction
        leaves each term its own weights.
        """
        return ops.ones_like(coefficients)

    def total(self, values: Any, state: State) -> Any:
        """What `loss` shows: the plain sum."""
        return ops.sum(values)


def normalised(gramian: Any) -> tuple[Any, Any]:
    """(G of gradients whose mean square length is 1, the factor that it was divided by)."""
    scale = ops.maximum(ops.mean(ops.diagonal(gramian)), 1e-20)
    return gramian / scale, scale


def lengths(gramian: Any) -> Any:
    return ops.sqrt(ops.maximum(ops.diagonal(gramian), 1e-20))
