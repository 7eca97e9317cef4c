"""Every term of a loss in the logs."""

from __future__ import annotations

import keras

from lossforge.losses.composite import Composite


class LossMonitor(keras.callbacks.Callback):
    """Logs the mean of each term of a Composite as `terms/<name>` and `val_terms/<name>`.

    The means are Keras metrics that the model carries from here on, so the progress bar,
    `History` and TensorBoard show them without further work, on every backend. Create one for
    the model's training; it needs a Composite as the model's loss (a single loss is `loss`).

    >>> import lossforge
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    >>> terms = {"focal": lossforge.Focal(), "ce": lossforge.CrossEntropy()}
    >>> model.compile("sgd", loss=lossforge.Composite(terms))
    >>> x, y = keras.ops.zeros((8, 4)), keras.ops.zeros((8,), "int32")
    >>> history = model.fit(x, y, verbose=0, callbacks=[LossMonitor()])
    >>> sorted(history.history)
    ['loss', 'terms/ce', 'terms/focal']
    """

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        compiled = getattr(model, "_compile_loss", None)
        losses = keras.tree.flatten(getattr(compiled, "_user_loss", None))
        known = {id(metric) for metric in model.metrics}
        for loss in losses:
            if isinstance(loss, Composite):
                model._metrics.extend(m for m in loss.track() if id(m) not in known)
