"""Any Keras model as one that trains on named losses of its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from lossforge.balance.base import Balance
from lossforge.balance.gradients.base import GradientBalance
from lossforge.errors import UsageError, unknown_name
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite
from lossforge.recipe import Reading
from lossforge.training.gradient_balanced_model import GradientBalancedModel
from lossforge.training.term_model import Readings, TermModel


def forge(
    model: keras.Model,
    losses: Loss | Mapping[str, Loss],
    balance: Balance | str | None = None,
    shared: keras.layers.Layer | Sequence[keras.layers.Layer] | None = None,
    validation: Any = None,
) -> TermModel:
    """Turns a functional or subclassed model into one whose losses are terms.

    The result shares the model's weights and trains with plain `compile(optimizer)` and `fit`;
    targets and `sample_weight` are dicts by output name, as in Keras, or one tensor for a model of
    one output. Each loss is in the logs by its output's name, with its effective weight and share.

    >>> import lossforge
    >>> network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> terms = {"l1": lossforge.SmoothL1(), "l2": lossforge.Huber()}
    >>> model = forge(network, lossforge.Composite(terms))
    >>> model.compile("sgd")
    >>> history = model.fit(keras.ops.ones((8, 4)), keras.ops.ones((8, 1)), verbose=0).history
    >>> "terms/output/l1" in history, "weights/output/l2" in history
    (True, True)

    Args:
        model: whose outputs are one tensor, or a dict of tensors.
        losses: a Loss for each output that is trained, by its name, or one Loss.
        balance: a Balance or its text. One that needs gradients makes a `GradientBalancedModel`;
            for one on values pass `callbacks.Balancing(balance)` to `fit` too.
        shared: for a Balance on gradients: layers whose weights count; see there.
        validation: for `AutoLambda`: data held out, a `tf.data.Dataset` or (inputs, targets).

    Raises:
        UsageError: for a loss of an output that does not exist, or a Balance on values.
    """
    single = isinstance(losses, Loss)
    terms = {"output": losses} if isinstance(losses, Loss) else dict(losses)

    def read(target: Any, outputs: Any, sample_weight: Any = None) -> Readings:
        if single or not isinstance(outputs, dict):
            outputs, target = {"output": outputs}, {"output": target}
            sample_weight = {"output": sample_weight}
        for name in terms:
            if name not in outputs:
                raise UsageError(unknown_name("output of the model", name, outputs))
        if not isinstance(sample_weight, Mapping):
            sample_weight = dict.fromkeys(terms, sample_weight)
        found: Readings = {}
        for name, loss in terms.items():
            reading = Reading(target[name], outputs[name], sample_weight.get(name))
            found[name] = dict.fromkeys(_kinds(loss), reading)
        return found

    if balance is None:
        return TermModel(model, read, terms)
    if isinstance(balance, str):
        from lossforge.spec import parse_balance

        balance = parse_balance(balance)
    if isinstance(balance, GradientBalance):
        return GradientBalancedModel(model, read, terms, balance, shared, validation)
    raise UsageError(
        f"{type(balance).__name__} needs only values: call forge without a balance and pass "
        f"callbacks=[lossforge.callbacks.Balancing({balance!r})] to fit."
    )


def _kinds(loss: Loss) -> set[str]:
    if isinstance(loss, Composite):
        return set().union(*map(_kinds, loss.losses.values()))
    return set(loss.kinds)
