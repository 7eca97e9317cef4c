"""Every term of a loss in the logs."""

from __future__ import annotations

import keras

from lossforge.losses.composite import Composite


class LossMonitor(keras.callbacks.Callback):
    """Logs each term of a Composite: its mean, its effective weight, and its share.

        terms/<name>      mean of the term
        weights/<name>    d total / d term: its weight, after Balance, schedules and outer weights
        shares/<name>     |weight * term| over the sum of all terms of the outermost Composite

    and the same with `val_` for validation. They are Keras metrics that the model carries from
    here on, so the progress bar, `History` and TensorBoard show them without further work, on
    every backend. Create one for the model's training; it needs a Composite as the model's loss (a
    single loss is `loss`).

    >>> import lossforge
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    >>> terms = {"focal": lossforge.Focal(), "ce": lossforge.CrossEntropy()}
    >>> model.compile("sgd", loss=lossforge.Composite(terms))
    >>> x, y = keras.ops.zeros((8, 4)), keras.ops.zeros((8,), "int32")
    >>> history = model.fit(x, y, verbose=0, callbacks=[LossMonitor()])
    >>> sorted(history.history)
    ['loss', 'shares/ce', 'shares/focal', 'terms/ce', 'terms/focal', 'weights/ce', 'weights/focal']

    Args:
        weights: whether to log weights and shares too.
    """

    def __init__(self, weights: bool = True) -> None:
        super().__init__()
        self._weights = weights

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        compiled = getattr(model, "_compile_loss", None)
        losses = keras.tree.flatten(getattr(compiled, "_user_loss", None))
        known = {id(metric) for metric in model.metrics}
        trackers = [m for x in losses if isinstance(x, Composite) for m in x.track(self._weights)]
        new = [metric for metric in trackers if id(metric) not in known]
        if new:
            model._metrics.extend(new)
            model.train_function = model.test_function = None  # compiled without the trackers
