"""COCO average precision of boxes, computed by faster-coco-eval."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

KEYS = ("AP", "AP50", "AP75")


def average_precision(
    predictions: Sequence[Mapping[str, Any]],
    ground_truth: Sequence[Mapping[str, Any]],
    max_detections: int = 100,
) -> dict[str, float]:
    """How many of the objects are found, at which precision, and how tightly.

    Detections of a class are taken by falling score; one is right when its IoU with an object of
    its class that is still free reaches the threshold. AP is the area under the resulting
    precision-recall curve (101 points), averaged over the classes that occur in the ground truth:

        AP50, AP75: at IoU 0.5 and 0.75        AP: mean over IoU 0.5, 0.55, ..., 0.95

    Args:
        predictions: one mapping an image: "boxes" (N, 4), x1 y1 x2 y2 in pixels; "scores" (N,);
            "classes" (N,), ids from 0. N may be 0.
        ground_truth: one mapping an image: "boxes" (M, 4); "labels" (M,), -1 marks padding.
            M may be 0: every detection in that image is then a false one.
        max_detections: best detections counted in each image and class.

    Returns: "AP", "AP50", "AP75" in [0, 1]; all NaN when there is no object in any image, where
        COCO's own tools answer -1.

    Source: Lin et al. 2014, Microsoft COCO (metrics of cocodataset.org); the numbers equal those of
    pycocotools with all areas and 100 detections.

    >>> box = [[10., 10., 30., 30.]]
    >>> average_precision([{"boxes": box, "scores": [.9], "classes": [0]}],
    ...                   [{"boxes": box, "labels": [0]}])["AP"]
    1.0
    """
    if len(predictions) != len(ground_truth):
        raise ValueError(
            f"Expected one prediction an image, got {len(predictions)} predictions for "
            f"{len(ground_truth)} images."
        )
    objects = [_objects(image, index) for index, image in enumerate(ground_truth)]
    annotations = [entry for entries in objects for entry in entries]
    if not annotations:
        return dict.fromkeys(KEYS, float("nan"))
    detections = [
        entry for index, image in enumerate(predictions) for entry in _detections(image, index)
    ]
    for number, annotation in enumerate(annotations):
        annotation["id"] = number + 1  # an id of 0 would read as "not matched"
    classes = {entry["category_id"] for entry in (*annotations, *detections)}
    dataset = {
        "images": [{"id": index} for index in range(len(ground_truth))],
        "categories": [{"id": int(c), "name": str(c)} for c in sorted(classes)],
        "annotations": annotations,
    }
    return _evaluate(dataset, detections, max_detections)


def _objects(image: Mapping[str, Any], index: int) -> list[dict]:
    labels = np.asarray(image["labels"], dtype=np.int64).reshape(-1)
    boxes = _corner_and_size(image["boxes"], len(labels), "ground truth", index)
    return [
        {
            "image_id": index,
            "category_id": int(label),
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for box, label in zip(boxes, labels.tolist(), strict=True)
        if label >= 0
    ]


def _detections(image: Mapping[str, Any], index: int) -> list[dict]:
    scores = np.asarray(image["scores"], dtype=np.float64).reshape(-1)
    classes = np.asarray(image["classes"]).astype(np.int64).reshape(-1)
    boxes = _corner_and_size(image["boxes"], len(scores), "prediction", index)
    return [
        {"image_id": index, "category_id": label, "bbox": box, "score": score}
        for box, label, score in zip(boxes, classes.tolist(), scores.tolist(), strict=True)
        if np.isfinite(score) and np.isfinite(box).all()
    ]


def _corner_and_size(boxes, count: int, what: str, index: int) -> list[list[float]]:
    """x1 y1 x2 y2 to COCO's x y width height."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    if len(boxes) != count:
        raise ValueError(f"The {what} of image {index} has {len(boxes)} boxes for {count} labels.")
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()


def _evaluate(dataset: dict, detections: list[dict], max_detections: int) -> dict[str, float]:
    from faster_coco_eval import COCO, COCOeval_faster

    def silent(*_):
        pass

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(dataset, print_function=silent)
        evaluation = COCOeval_faster(
            truth, truth.loadRes(detections), iouType="bbox", print_function=silent
        )
        evaluation.params.maxDets = [max_detections]
        evaluation.params.areaRng = [[0, 1e5**2]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"])  # thresholds, recalls, classes, 1, 1
    thresholds = np.asarray(evaluation.params.iouThrs)

    def mean(chosen) -> float:
        values = precision[chosen]
        return float(values[values > -1].mean())

    return {
        "AP": mean(slice(None)),
        "AP50": mean(np.isclose(thresholds, 0.5)),
        "AP75": mean(np.isclose(thresholds, 0.75)),
    }
