"""Anchors, matching, and detectors through one epoch, our metric and an export with NMS."""

import keras
import numpy as np
import pytest
from keras import ops

from lossforge import spec
from lossforge.data.detection import load_detection
from lossforge.losses.boxes import box_geometry
from lossforge.recipe import load_recipe
from lossforge.tasks.anchors import anchor_grid, match_anchors
from lossforge.tasks.detectors.small_retinanet import small_retinanet
from lossforge.training.export import _served, compare
from lossforge.training.train import train

LOSSES = {"classification": "Focal() + 0.5*QualityFocal()", "box": "GIoU() + 0.5*SmoothL1()"}


def test_anchors_lie_in_the_order_of_a_convolution():
    anchors = anchor_grid(32, (16,), [(8, 16)])
    assert anchors.shape == (8, 4)
    np.testing.assert_allclose(anchors[0], [4, 4, 12, 12])
    np.testing.assert_allclose(anchors[1], [0, 0, 16, 16])
    np.testing.assert_allclose(anchors[2], [20, 4, 28, 12])  # the next cell of the same row


def test_matching_follows_the_thresholds_and_gives_every_object_an_anchor():
    anchors = np.array([[0, 0, 10, 10], [0, 0, 10, 22], [50, 50, 60, 60], [80, 80, 90, 90]], "f")
    boxes = np.array([[[0, 0, 10, 10], [56, 56, 60, 60], [0, 0, 0, 0]]], "float32")
    found = match_anchors(anchors, boxes, np.array([[3, 7, -1]]))
    assert ops.convert_to_numpy(found.positive)[0].tolist() == [True, False, True, False]
    assert ops.convert_to_numpy(found.ignored)[0].tolist() == [False, True, False, False]
    assert ops.convert_to_numpy(found.labels)[0].tolist() == [3, -1, 7, -1]


def test_perfect_outputs_decode_to_the_objects_and_cost_nothing():
    detector = small_retinanet(num_classes=3, image_size=96)
    boxes = np.array([[[10, 20, 40, 50], [60, 60, 90, 85]]], "float32")
    target = {"boxes": boxes, "labels": np.array([[2, 0]])}
    matches = match_anchors(detector.anchors, boxes, target["labels"])
    offsets = box_geometry.encode_offsets(matches.boxes, detector.anchors, detector.variances)
    logits = 60.0 * ops.one_hot(matches.labels, 3) - 30.0
    outputs = {"classification": logits, "box": offsets}
    readings = detector.read(target, outputs)
    for slot, text in LOSSES.items():
        for term in detector.slots[slot].fit(spec.parse(text)).losses.values():
            reading = readings[slot][next(k for k in term.kinds if k in readings[slot])]
            assert float(term(reading.y_true, reading.y_pred, reading.sample_weight)) < 1e-3
    decoded, scores = detector.decode(outputs)
    positive = ops.convert_to_numpy(matches.positive)[0]
    assert positive.sum() >= 2
    np.testing.assert_allclose(
        ops.convert_to_numpy(decoded)[0][positive],
        ops.convert_to_numpy(matches.boxes)[0][positive],
        atol=1e-2,
    )
    assert np.all(ops.convert_to_numpy(scores)[0][positive].max(-1) > 0.99)


def test_images_without_objects_and_wild_outputs_stay_finite():
    detector = small_retinanet(num_classes=3, image_size=96)
    target = {"boxes": np.zeros((2, 4, 4), "f"), "labels": np.full((2, 4), -1)}
    count = len(detector.anchors)
    outputs = {"classification": np.full((2, count, 3), 1e4, "f")}
    outputs["box"] = np.full((2, count, 4), 1e4, "f")
    readings = detector.read(target, outputs)
    loss = detector.slots["box"].fit(spec.parse("CIoU()"))
    reading = readings["box"]["boxes"]
    assert float(loss(reading.y_true, reading.y_pred, reading.sample_weight)) == 0.0


def test_the_small_retinanet_is_small_and_wants_a_fitting_image():
    assert small_retinanet(10).network.count_params() < 300_000
    with pytest.raises(ValueError, match="multiple of 16, got 100"):
        small_retinanet(10, image_size=100)


MODELS = [
    "small_retinanet",
    "keras_cv:retinanet",
    pytest.param("keras_cv:yolo_v8", marks=pytest.mark.slow),
    pytest.param("keras_hub:retinanet", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("model", MODELS)
def test_a_detector_trains_evaluates_and_exports(model, tmp_path):
    settings = {"model": model, "train_examples": 32, "epochs": 1}
    recipe = load_recipe("recipes/retinanet.py", settings)
    data = load_detection(train_examples=32)
    small = type(data)(data.train, data.validation.take(2), data.test, *_rest(data))
    losses = {slot: spec.parse(text) for slot, text in LOSSES.items()}
    outcome = train(recipe, losses, data=small)
    assert outcome.reason is None and np.isfinite(outcome.metrics["loss"])
    assert 0.0 <= outcome.score <= 1.0 and "terms/box/giou" in outcome.metrics
    if keras.backend.backend() == "tensorflow":
        images = next(iter(small.validation))[0]
        outcome.task.export(tmp_path / "saved")
        served = _served(tmp_path / "saved", images)
        assert compare(outcome.task.predict(images), served) < 1e-4
        assert served["boxes"].shape == (8, 100, 4)


def _rest(data):
    return data.class_names, data.image_size
