"""Composites, mined examples and the models that train on them."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge import Reading, TermModel
from lossforge.callbacks import LossMonitor

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 4)).astype("float32"), RNG.integers(0, 3, 32)


def classifier():
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(3, activation="softmax")
    return keras.Sequential([keras.Input((4,)), layer])


def two_terms():
    return lossforge.Composite({"focal": lossforge.Focal(), "ce": (0.5, lossforge.CrossEntropy())})


def test_total_is_the_weighted_sum_of_its_terms():
    p = classifier()(X)
    expected = float(lossforge.Focal()(Y, p)) + 0.5 * float(lossforge.CrossEntropy()(Y, p))
    assert float(two_terms()(Y, p)) == pytest.approx(expected, rel=1e-6)


def test_every_term_is_in_the_logs_of_training_and_validation():
    model = classifier()
    nested = lossforge.Composite({"both": two_terms(), "plain": lossforge.CrossEntropy()})
    model.compile("sgd", loss=nested)
    history = model.fit(
        X, Y, validation_data=(X, Y), epochs=2, verbose=0, callbacks=[LossMonitor()]
    ).history
    terms = {"terms/both", "terms/both/focal", "terms/both/ce", "terms/plain"}
    assert terms | {f"val_{t}" for t in terms} <= set(history)
    total = np.add(history["val_terms/both"], history["val_terms/plain"])
    np.testing.assert_allclose(history["val_loss"], total, rtol=1e-5)
    parts = np.add(history["terms/both/focal"], np.multiply(0.5, history["terms/both/ce"]))
    np.testing.assert_allclose(history["terms/both"], parts, rtol=1e-5)


def test_composite_survives_saving(tmp_path):
    model = classifier()
    model.compile("sgd", loss=two_terms())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()


def test_keeping_all_examples_changes_nothing():
    p = classifier()(X)
    plain = float(lossforge.Focal()(Y, p))
    assert float(lossforge.HardExamples(lossforge.Focal(), keep=1.0)(Y, p)) == pytest.approx(plain)


@pytest.mark.parametrize("keep", [0.1, 0.25, 0.6])
def test_mined_mean_is_the_mean_of_the_largest_candidates(keep):
    y, p = RNG.normal(size=(20, 1)), RNG.normal(size=(20, 1))
    weight = (np.arange(20) % 4 > 0).astype(float)
    values = np.abs(ops.convert_to_numpy(lossforge.Huber(reduction=None)(y, p)))[weight > 0]
    kept = np.sort(values)[-int(np.ceil(keep * len(values))) :]
    mined = lossforge.HardExamples(
        lossforge.Huber(), keep=keep, reduction="mean_with_sample_weight"
    )
    total = lossforge.HardExamples(lossforge.Huber(), keep=keep, reduction="sum")
    assert float(total(y, p, weight)) / len(values) == pytest.approx(kept.mean(), rel=1e-5)
    assert float(mined(y, p, weight)) > 0


def test_term_model_routes_each_loss_to_what_its_kind_reads():
    inputs = keras.Input((4,))
    network = keras.Model(inputs, {"a": keras.layers.Dense(2)(inputs)})

    def read(target, outputs):
        offsets = outputs["a"]
        boxes = ops.tile(offsets, (1, 2))
        return {"s": {"regression": Reading(target, offsets), "boxes": Reading(boxes, boxes)}}

    losses = {"s": lossforge.Composite({"l1": lossforge.SmoothL1(), "giou": lossforge.GIoU()})}
    model = TermModel(network, read, losses)
    model.compile("sgd")
    history = model.fit(X, X[:, :2], verbose=0).history
    assert {"terms/s", "terms/s/l1", "terms/s/giou"} <= set(history)
    assert history["loss"][0] == pytest.approx(history["terms/s"][0], rel=1e-5)
