"""The metric equals pycocotools, on random scenes and on cases that can be worked out by hand."""

import contextlib
import io
import math

import numpy as np
import pytest

from lossforge.metrics.average_precision import average_precision


def random_boxes(rng, count):
    corner = rng.uniform(0, 70, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(3, 40, (count, 2))], axis=1)


def random_scenes(rng, images=30, classes=4):
    """Objects, and detections that are objects moved a little plus some at random."""
    predictions, truth = [], []
    for _ in range(images):
        boxes = random_boxes(rng, rng.integers(0, 6))
        labels = rng.integers(0, classes, len(boxes))
        found = rng.random(len(boxes)) < 0.8
        extra = random_boxes(rng, rng.integers(0, 5))
        guesses = np.concatenate([boxes[found] + rng.normal(0, 2, (found.sum(), 4)), extra])
        predictions.append(
            {
                "boxes": guesses,
                "scores": rng.random(len(guesses)),
                "classes": np.concatenate(
                    [
                        np.where(rng.random(found.sum()) < 0.8, labels[found], 0),
                        rng.integers(0, classes, len(extra)),
                    ]
                ),
            }
        )
        pad = 8 - len(boxes)
        truth.append(
            {
                "boxes": np.concatenate([boxes, np.zeros((pad, 4))]),
                "labels": np.concatenate([labels, np.full(pad, -1)]),
            }
        )
    return predictions, truth


def pycocotools_answer(predictions, truth):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def xywh(box):
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    annotations, results = [], []
    for image, (prediction, scene) in enumerate(zip(predictions, truth, strict=True)):
        for box, label in zip(scene["boxes"], scene["labels"], strict=True):
            if label >= 0:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image,
                        "category_id": int(label),
                        "bbox": xywh(box),
                        "area": (box[2] - box[0]) * (box[3] - box[1]),
                        "iscrowd": 0,
                    }
                )
        for box, score, label in zip(
            prediction["boxes"], prediction["scores"], prediction["classes"], strict=True
        ):
            results.append(
                {
                    "image_id": image,
                    "category_id": int(label),
                    "bbox": xywh(box),
                    "score": float(score),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(truth))],
            "categories": [{"id": c} for c in range(10)],
            "annotations": annotations,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(("AP", "AP50", "AP75"), evaluation.stats[:3], strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_equals_pycocotools_on_random_scenes(seed):
    predictions, truth = random_scenes(np.random.default_rng(seed))
    measured = average_precision(predictions, truth)
    expected = pycocotools_answer(predictions, truth)
    assert measured == pytest.approx(expected, abs=1e-9)
    assert 0 < measured["AP"] < measured["AP50"] < 1


def test_perfect_detections_score_one():
    rng = np.random.default_rng(0)
    _, truth = random_scenes(rng)
    predictions = []
    for scene in truth:
        real = scene["labels"] >= 0
        predictions.append(
            {
                "boxes": scene["boxes"][real],
                "scores": np.ones(real.sum()),
                "classes": scene["labels"][real],
            }
        )
    assert average_precision(predictions, truth) == {"AP": 1.0, "AP50": 1.0, "AP75": 1.0}


BOX = [[10.0, 10.0, 30.0, 30.0]]
NOTHING = {"boxes": np.zeros((0, 4)), "scores": [], "classes": []}


def scene(boxes=BOX, labels=(0,)):
    return {"boxes": boxes, "labels": labels}


def detection(boxes=BOX, scores=(0.9,), classes=(0,)):
    return {"boxes": boxes, "scores": scores, "classes": classes}


def test_no_detection_at_all_scores_zero():
    assert average_precision([NOTHING, NOTHING], [scene(), scene()])["AP"] == 0.0


def test_an_image_without_detections_counts_as_missed():
    value = average_precision([detection(), NOTHING], [scene(), scene()])["AP50"]
    assert value == pytest.approx(51 / 101)


def test_a_false_detection_in_an_image_without_objects_counts():
    empty = scene(np.zeros((0, 4)), ())
    confident = detection(scores=(0.99,))
    assert average_precision([detection(), confident], [scene(), empty])["AP50"] == 0.5


def test_class_zero_counts():
    truth = [scene(), scene(labels=(1,))]
    assert average_precision([NOTHING, detection(classes=(1,))], truth)["AP50"] == 0.5
    assert average_precision([detection(), NOTHING], truth)["AP50"] == 0.5


def test_the_right_place_with_the_wrong_class_scores_zero():
    assert average_precision([detection(classes=(1,))], [scene()])["AP50"] == 0.0


def test_a_class_absent_from_the_ground_truth_does_not_count():
    boxes = BOX + [[40.0, 40.0, 60.0, 60.0]]
    both = detection(boxes, (0.9, 0.8), (0, 3))
    assert average_precision([both], [scene()])["AP"] == 1.0


def test_a_second_detection_of_one_object_is_a_false_one():
    doubled = detection(BOX + BOX, (0.9, 0.8), (0, 0))
    other = detection(scores=(0.5,))
    value = average_precision([doubled, other], [scene(), scene()])["AP50"]
    assert value == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_overlap_of_0_6_counts_at_0_5_and_not_at_0_75():
    loose = detection([[10.0, 10.0, 30.0, 22.0]])
    value = average_precision([loose], [scene()])
    assert value["AP50"] == 1.0
    assert value["AP75"] == 0.0
    assert value["AP"] == pytest.approx(0.3, abs=0.101)  # 0.5, 0.55 and 0.6, the last on the edge


def test_no_objects_anywhere_gives_nan():
    empty = scene(np.zeros((2, 4)), (-1, -1))
    assert all(math.isnan(v) for v in average_precision([detection()], [empty]).values())
    assert math.isnan(average_precision([], [])["AP"])


def test_detections_that_are_not_finite_are_dropped():
    broken = detection(BOX + [[np.nan] * 4], (0.9, 0.95), (0, 0))
    assert average_precision([broken], [scene()])["AP"] == 1.0


def test_prints_nothing(capsys):
    average_precision([detection()], [scene()])
    assert capsys.readouterr() == ("", "")


def test_counts_that_do_not_match_raise():
    with pytest.raises(ValueError, match="1 predictions for 2 images"):
        average_precision([detection()], [scene(), scene()])
    with pytest.raises(ValueError, match="image 0 has 1 boxes for 2 labels"):
        average_precision([detection()], [scene(labels=(0, 1))])
