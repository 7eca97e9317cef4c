"""The callbacks for usual cases do what their general form does."""

import keras
import numpy as np
import pytest

import lossforge
from lossforge.callbacks import (
    OHEM,
    Balancing,
    Curriculum,
    DynamicWeightAverage,
    GradNorm,
    LossScaleMonitor,
    TemperatureAnnealing,
    UncertaintyWeighting,
)
from lossforge.errors import UsageError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 4)).astype("float32"), RNG.integers(0, 3, 32)


def fitted(loss, callbacks, epochs=3, labels=Y, last="softmax", **options):
    keras.utils.set_random_seed(0)
    units = 3 if last == "softmax" else 1
    layers = [keras.layers.Dense(8, "tanh", name="trunk"), keras.layers.Dense(units, last)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.SGD(0.1), loss=loss, **options)
    logs = model.fit(
        X, labels, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks
    ).history
    return model, logs


def two_terms():
    return lossforge.Composite({"ce": lossforge.CrossEntropy(), "focal": lossforge.Focal()})


@pytest.mark.parametrize(
    ("special", "general"),
    [
        (UncertaintyWeighting(learning_rate=0.3), "Uncertainty(learning_rate=0.3)"),
        (DynamicWeightAverage(temperature=0.2), "DynamicAverage(temperature=0.2)"),
        (GradNorm(alpha=0.5, learning_rate=0.2), "GradNorm(alpha=0.5, learning_rate=0.2)"),
    ],
    ids=lambda case: getattr(case, "balance", case),
)
def test_a_named_balance_is_the_general_callback_with_it(special, general):
    _, a = fitted(two_terms(), [special])
    _, b = fitted(two_terms(), [Balancing(general)])
    assert a == b
    assert a["weights/ce"][0] != a["weights/ce"][-1]


def test_ohem_lowers_the_share_that_counts_step_by_step():
    """Targets of 1 to 8 and a prediction of 0: the mean of the kept is known."""
    labels = np.tile(np.arange(1.0, 9.0), 4)[:, None]
    loss = lossforge.HardExamples(lossforge.MAE(), keep=1.0)
    model, _ = fitted(loss, [], 1, labels, "linear")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    logs = model.fit(
        X, labels, batch_size=8, epochs=2, shuffle=False, verbose=0,
        callbacks=[OHEM(start=1.0, end=0.25, steps=4)],
    ).history  # fmt: skip
    means = [4.5, 5.0, 6.0, 6.5]  # of the largest 8, 7, 5 and 4
    assert logs["loss"] == pytest.approx([np.mean(means), 7.5], rel=1e-5)
    assert logs["parameters/keep"][1] == 0.25


@pytest.mark.parametrize(("by", "numbers"), [("share", (0.75, 1.0)), ("threshold", (1.0, 1e4))])
def test_a_curriculum_keeps_an_outlier_out_at_first_and_lets_it_in(by, numbers):
    labels = np.tile([0.0, 0.0, 0.0, 1000.0], 8)[:, None]
    start = {"keep": 0.75} if by == "share" else {"keep": 1.0, "threshold": 1.0}
    loss = lossforge.EasyExamples(lossforge.MAE(), **start)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    curriculum = Curriculum(*numbers, steps=4, by=by)
    logs = model.fit(
        X, labels, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[curriculum]
    ).history
    seen = [0.0, 250.0, 250.0, 250.0]  # 6 of 8, then 7 and with them its equal
    if by == "threshold":  # 1, 10, 100, 1000, 10,000: the outlier enters at the fourth step
        seen = [0.0, 0.0, 0.0, 250.0]
    assert logs["loss"] == pytest.approx([np.mean(seen), 250.0], rel=1e-4)


def test_a_curriculum_refuses_what_makes_no_sense():
    with pytest.raises(UsageError, match="0 < start <= end <= 1"):
        Curriculum(start=0.5, end=1.5)
    with pytest.raises(UsageError, match="'share' or 'threshold'"):
        Curriculum(by="size")
    with pytest.raises(UsageError, match="keep"):
        fitted(lossforge.CrossEntropy(), [Curriculum()])


def test_a_temperature_falls_along_half_a_cosine():
    callback = TemperatureAnnealing(start=4.0, end=1.0, steps=8)
    assert [callback.schedule(s) for s in (0, 4, 8, 100)] == pytest.approx([4.0, 2.5, 1.0, 1.0])


@pytest.mark.filterwarnings("ignore:mixed_float16 on a CPU")
def test_the_loss_scale_is_logged_where_there_is_one():
    _, logs = fitted(two_terms(), [LossScaleMonitor()], 1)
    assert "loss_scale" not in logs
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        _, logs = fitted(two_terms(), [LossScaleMonitor()], 1)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert logs["loss_scale"] == [2.0**15]


def test_a_balance_on_gradients_works_in_a_plain_compiled_model():
    """It trains as a GradientBalancedModel does, and gives the model its own step back."""
    model, logs = fitted(two_terms(), [Balancing("NashMTL()")])
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "tanh", name="trunk"), keras.layers.Dense(3, "softmax")]
    network = keras.Sequential([keras.Input((4,)), *layers])
    forged = lossforge.forge(network, two_terms(), balance="NashMTL()")
    forged.compile(keras.optimizers.SGD(0.1))
    other = forged.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    for a, b in zip(model.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert logs["gradient_norms/ce"] == pytest.approx(other["gradient_norms/ce"], rel=1e-5)
    assert "train_step" not in vars(model)


def test_a_model_that_was_compiled_with_a_balance_survives_keras_files(tmp_path):
    model, _ = fitted(two_terms(), [Balancing("Uncertainty()")])
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)
    assert list(loaded.loss.losses) == ["ce", "focal"]
    logs = loaded.fit(X, Y, verbose=0, callbacks=[Balancing("Uncertainty()")]).history
    assert "weights/focal" in logs


def test_a_model_with_its_own_step_is_not_taken_over():
    class Own(keras.Model):
        def train_step(self, data):
            return {"loss": 0.0}

    inputs = keras.Input((4,))
    model = Own(inputs, keras.layers.Dense(3, "softmax")(inputs))
    model.compile("sgd", loss=two_terms())
    with pytest.raises(UsageError, match="training step of its own"):
        model.fit(X, Y, verbose=0, callbacks=[Balancing("PCGrad()")])
