"""The first loss that is no number: its term, its batch, and the file that has the batch."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.callbacks import StopOnNaN
from lossforge.losses.base import Loss


class OverflowsInHalf(Loss):
    """A squared error in float16, whose largest number is 65,504."""

    kinds = ("regression",)

    def call(self, y_true, y_pred):
        error = ops.cast(y_pred - y_true, "float16")
        return ops.cast(ops.mean(ops.square(error), axis=-1), "float32")


def stopped(path, steps_per_execution=1, jit_compile=False, bad_at=2):
    """Training on batches of 4, of which one has a target of 1,000."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = x[:, :1].copy()
    y[4 * bad_at + 1] = 1000.0
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    terms = {"fine": lossforge.Huber(), "half": OverflowsInHalf()}
    model.compile(
        keras.optimizers.SGD(1e-3), loss=lossforge.Composite(terms), jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )  # fmt: skip
    stop = StopOnNaN(path)
    model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=[stop])
    return stop, model, x, y


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_an_overflow_in_float16_names_the_term_the_batch_and_the_file(
    tmp_path, steps_per_execution
):
    path = tmp_path / "made" / "bad.npz"
    stop, model, x, y = stopped(path, steps_per_execution)
    where = f"at step 3 of epoch 1 (in terms/half); that batch is in {path}"
    assert stop.reason in (f"the loss is inf {where}", f"the loss is nan {where}")
    saved = np.load(path)
    np.testing.assert_array_equal(saved["x"], x[8:12])
    np.testing.assert_array_equal(saved["y"], y[8:12])
    assert "train_step" not in vars(model)  # the model has its own step back


def test_under_xla_the_batch_is_named_and_not_saved(tmp_path):
    stop, *_ = stopped(tmp_path / "bad.npz", jit_compile=True)
    assert "at step 3 of epoch 1 (in terms/half); with jit_compile=False" in stop.reason
    assert not (tmp_path / "bad.npz").exists()


def test_a_sound_training_saves_nothing_and_trains_alike(tmp_path):
    weights = []
    for callbacks in ([], [StopOnNaN(tmp_path / "bad.npz")]):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        )
        model.compile("adam", loss=lossforge.MSE())
        x = np.ones((16, 3), "float32")
        model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    assert not (tmp_path / "bad.npz").exists() and callbacks[0].reason is None
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batches_of_dicts_and_weights_are_saved_by_name(tmp_path):
    inputs = keras.Input((2,))
    network = keras.Model(inputs, {n: keras.layers.Dense(1)(inputs) for n in "ab"})
    model = lossforge.forge(network, {"a": lossforge.MSE(), "b": lossforge.MSE()})
    model.compile("sgd")
    x = np.ones((4, 2), "float32")
    y = {"a": x[:, :1], "b": np.full((4, 1), np.nan, "float32")}
    stop = StopOnNaN(tmp_path / "bad.npz")
    model.fit(x, y, sample_weight={n: np.ones(4) for n in "ab"}, verbose=0, callbacks=[stop])
    assert "(in terms/b)" in stop.reason
    names = {"x", "y/a", "y/b", "sample_weight/a", "sample_weight/b"}
    assert set(np.load(tmp_path / "bad.npz").files) == names
