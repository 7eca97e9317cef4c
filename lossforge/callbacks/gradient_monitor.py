"""How long each term's gradient is, and which terms pull against each other."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.callbacks.parameters import root_loss, several_terms
from lossforge.callbacks.training_step import Step, unwrap_step, wrap_step
from lossforge.errors import UsageError
from lossforge.losses.base import replicas
from lossforge.losses.composite import Composite


class GradientMonitor(keras.callbacks.Callback):
    """Logs the gradient norm of each term and the cosine between each two.

        gradient_norms/<term>          |g_k|, on the weights that two terms or more reach
        cosines/<a>/<b>       g_a . g_b / (|g_a| |g_b|): below 0 the terms conflict

    means over the steps of an epoch that were measured: the first, and every `every`-th after it.
    g_k is the gradient of the term times the weight that the user gave it, before a Balance. A
    measured step costs one more forward pass and one backward pass a term; training itself is as
    without it, bit for bit, dropout included. (Under a `tf.distribute` strategy with several
    replicas it costs that at every step.) Logs show in `History`, the progress bar and
    TensorBoard. A `GradientBalancedModel` logs the same numbers at every step by itself.

    On TensorFlow.

    >>> import lossforge
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    >>> terms = {"ce": lossforge.CrossEntropy(), "focal": lossforge.Focal()}
    >>> model.compile("sgd", loss=lossforge.Composite(terms))
    >>> x, y = keras.ops.ones((8, 4)), keras.ops.zeros((8,), "int32")
    >>> logs = model.fit(x, y, verbose=0, callbacks=[GradientMonitor()]).history
    >>> round(logs["cosines/ce/focal"][0], 4)
    1.0

    Args:
        every: steps from one measurement to the next.
        shared: a layer, or a list of layers, whose weights count; by default all that two terms
            reach.

    Raises:
        UsageError: for `every` below 1; when training starts: without two terms, on another
            backend than TensorFlow, or where no weight is reached by two terms.
    """

    def __init__(self, every: int = 200, shared: Any = None) -> None:
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise UsageError(f"GradientMonitor: every must be a whole number >= 1, got {every!r}.")
        self.every = every
        layers = shared if isinstance(shared, list | tuple) else [] if shared is None else [shared]
        self._layers = tuple(layers)
        self._meter: Any = None

    def set_model(self, model: keras.Model) -> None:
        from lossforge.training.term_gradients import GradientMeter

        super().set_model(model)
        if keras.backend.backend() != "tensorflow":
            raise UsageError(
                "GradientMonitor measures with KERAS_BACKEND=tensorflow, not "
                f"'{keras.backend.backend()}'; LossMonitor works on both."
            )
        root = root_loss(model)
        terms = several_terms(root)
        assert isinstance(root, Composite)  # it holds terms
        if hasattr(model, "gradient_step"):
            return  # it measures every step
        with model.distribute_strategy.scope():
            self._meter = GradientMeter(list(terms.losses))
            self._since = keras.Variable(
                0, dtype="int32", trainable=False, aggregation="only_first_replica"
            )
        others = [m for m in model._metrics if not isinstance(m, GradientMeter)]
        model._metrics[:] = [*others, self._meter]

        def around(step: Step) -> Step:
            def measured(data: Any) -> Any:
                self._measure(root, terms, data)
                return step(data)

            return measured

        wrap_step(model, "gradient_monitor", around)

    def _measure(self, root: Composite, terms: Composite, data: Any) -> None:
        """Feeds the meter if it is time; nothing else that the pass changes is kept."""
        import tensorflow as tf

        from lossforge.training.term_gradients import gramian_of, shared_by_terms, term_gradients

        variables = self.model.trainable_variables
        count = len(terms.losses)

        def gramian() -> Any:
            with keras.StatelessScope():
                found = term_gradients(self.model, root, terms, data)
            counts = shared_by_terms(variables, found.of_terms, self._layers)
            scale = self.model.optimizer.scale_loss(1.0)
            return gramian_of(found.of_terms, counts, scale)

        due = ops.equal(self._since % self.every, 0)
        nothing = lambda: tf.fill((count, count), float("nan"))  # noqa: E731
        if replicas() > 1.0:  # they can't meet in a branch
            self._meter.update_state(tf.where(due, gramian(), nothing()))
        else:
            self._meter.update_state(tf.cond(due, gramian, nothing))
        self._since.assign(self._since + 1)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._meter is not None:
            self._since.assign(0)

    def on_test_begin(self, logs: Any = None) -> None:
        if self._meter is not None:
            self._meter.silent = True

    def on_test_end(self, logs: Any = None) -> None:
        if self._meter is not None:
            self._meter.silent = False

    def on_train_end(self, logs: Any = None) -> None:
        if self._meter is not None:
            self.model._metrics[:] = [m for m in self.model._metrics if m is not self._meter]
            unwrap_step(self.model, "gradient_monitor")
            self._meter = None
