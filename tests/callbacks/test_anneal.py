"""Numbers of a loss that move inside a compiled step."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.callbacks import Anneal, LossMonitor, LossWarmup
from lossforge.errors import UsageError
from lossforge.losses.base import Loss
from lossforge.schedules import linear, piecewise

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 4)).astype("float32"), RNG.integers(0, 3, 32)


class Scaled(Loss):
    """A number times cross-entropy; counts how often Python runs it."""

    kinds = ("multiclass",)
    calls = 0

    def __init__(self, gamma=1.0, **base):
        super().__init__(**base)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        type(self).calls += 1
        return self.gamma + 0.0 * ops.sum(y_pred, axis=-1)


def model_with(loss, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss=loss, **options)
    return model


def losses_of_each_step(loss, callbacks, epochs=2, **options):
    model = model_with(loss, **options)
    return model.fit(
        X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks
    ).history


@pytest.mark.parametrize("steps_per_execution", [1, 2, 4])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_parameter_follows_its_schedule_at_every_step(steps_per_execution, jit_compile):
    history = losses_of_each_step(
        Scaled(), [Anneal("gamma", linear(0.0, 8.0, steps=8))],
        steps_per_execution=steps_per_execution, jit_compile=jit_compile,
    )  # fmt: skip
    assert history["loss"] == pytest.approx([np.mean([0, 1, 2, 3]), np.mean([4, 5, 6, 7])])
    assert history["parameters/gamma"] == [3.0, 7.0]


def test_annealing_traces_a_step_once():
    steady, moving = Scaled(), Scaled()
    Scaled.calls = 0
    losses_of_each_step(steady, [], epochs=4)
    expected = Scaled.calls
    Scaled.calls = 0
    model = model_with(moving)
    callback = Anneal("gamma", linear(0.0, 1.0, steps=16))
    callback.set_model(model)
    checks_before = 2 * 2  # the loss made with the number, and with a variable, at both ends
    Scaled.calls = 0
    model.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=[callback])
    assert Scaled.calls == expected + checks_before


def test_a_later_fit_has_its_own_schedule():
    model = model_with(Scaled())
    fit = lambda schedule: model.fit(  # noqa: E731
        X, Y, batch_size=8, verbose=0, callbacks=[Anneal("gamma", schedule)]
    ).history["loss"][0]
    assert fit(lambda step: 2.0) == pytest.approx(2.0)
    assert fit(lambda step: 5.0) == pytest.approx(5.0)
    assert model.loss.gamma == 5.0 and model.evaluate(X, Y, verbose=0) == pytest.approx(5.0)


def test_a_warm_up_holds_a_term_back_and_then_ramps():
    terms = {"ce": lossforge.CrossEntropy(), "flat": (0.5, Scaled(gamma=1.0))}
    history = losses_of_each_step(
        lossforge.Composite(terms), [LossWarmup("flat", begin=4, ramp=4), LossMonitor()], epochs=3
    )
    extra = np.subtract(history["loss"], history["terms/ce"])
    np.testing.assert_allclose(extra, [0.0, 0.5 * np.mean([0, 1, 2, 3]) / 4, 0.5], atol=1e-6)


def test_epochs_are_a_unit_and_a_ramp_of_zero_is_a_switch():
    terms = {"ce": lossforge.CrossEntropy(), "flat": (0.5, Scaled(gamma=1.0))}
    warmup = LossWarmup("flat", begin=2, unit="epochs")
    history = losses_of_each_step(lossforge.Composite(terms), [warmup, LossMonitor()], epochs=3)
    extra = np.subtract(history["loss"], history["terms/ce"])
    np.testing.assert_allclose(extra, [0.0, 0.0, 0.5], atol=1e-6)


def test_a_parameter_inside_a_wrapper_and_of_a_nested_term_is_found():
    hard = lossforge.HardExamples(lossforge.Focal(), keep=0.5)
    nested = lossforge.Composite({"a": lossforge.Composite({"hard": hard}), "b": Scaled()})
    callbacks = [
        Anneal("hard.keep", piecewise([0.5, 1.0], [4])), Anneal("a/hard.gamma", lambda step: 0.0),
        Anneal("b.weight", lambda step: 3.0), LossMonitor(),
    ]  # fmt: skip
    history = losses_of_each_step(nested, callbacks)
    assert hard.keep == 1.0 and hard.loss.gamma == 0.0
    assert history["loss"][1] - history["terms/a"][1] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (Anneal("focal.gama", linear(0, 1, 5)), "Did you mean 'gamma'"),
        (Anneal("fokal.gamma", linear(0, 1, 5)), "Did you mean 'focal'"),
        (Anneal("gamma", linear(0, 1, 5)), "write '<term>.<parameter>'"),
        (Anneal("focal.gamma", lambda step: -1.0), "gamma must be a number at least 0"),
        (LossWarmup("dice", begin=3), "No term is called 'dice'"),
    ],
)
def test_a_wrong_target_says_what_there_is(callback, message):
    loss = lossforge.Composite({"focal": lossforge.Focal(), "ce": lossforge.CrossEntropy()})
    with pytest.raises(UsageError, match=message):
        losses_of_each_step(loss, [callback])


class DecidedWhenMade(Scaled):
    def __init__(self, gamma=1.0, **base):
        super().__init__(gamma, **base)
        self.kept = 2.0 * gamma

    def call(self, y_true, y_pred):
        return self.kept + 0.0 * ops.sum(y_pred, axis=-1)


class Branching(Scaled):
    def call(self, y_true, y_pred):
        return ops.sum(y_pred, axis=-1) if self.gamma > 0.5 else ops.max(y_pred, axis=-1)


@pytest.mark.parametrize("loss", [DecidedWhenMade(), Branching()])
def test_a_number_that_a_compiled_loss_would_not_see_is_refused(loss):
    with pytest.raises(UsageError, match="can't move"):
        losses_of_each_step(loss, [Anneal("gamma", linear(0.0, 2.0, steps=4))])
