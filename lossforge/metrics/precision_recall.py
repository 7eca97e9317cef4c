"""Which detections are right, for a curve of precision and recall."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def right_detections(
    predictions: Sequence[Mapping[str, Any]],
    ground_truth: Sequence[Mapping[str, Any]],
    iou_threshold: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Every detection and every missed object as one example of a yes-or-no question.

    By falling score, a detection is right when it overlaps an object of its class that is still
    free by at least `iou_threshold`. An object that no detection finds is a yes of score 0.

    Args:
        predictions: one mapping an image: "boxes" (N, 4), x1 y1 x2 y2; "scores" (N,) in 0..1;
            "classes" (N,).
        ground_truth: one mapping an image: "boxes" (M, 4); "labels" (M,), -1 marks padding.

    Returns: yes or no (K,), and scores (K,).

    >>> box = np.array([[0., 0., 10., 10.]])
    >>> right_detections([{"boxes": box, "scores": np.array([0.9]), "classes": np.array([1])}],
    ...                  [{"boxes": np.vstack([box, box + 50]), "labels": np.array([1, 1])}])
    (array([ True,  True]), array([0.9, 0. ]))
    """
    answers: list[bool] = []
    scores: list[float] = []
    for found, truth in zip(predictions, ground_truth, strict=True):
        real = np.asarray(truth["labels"]) >= 0
        labels, objects = np.asarray(truth["labels"])[real], np.asarray(truth["boxes"])[real]
        free = np.ones(len(labels), bool)
        overlap = _iou(np.asarray(found["boxes"], float), objects.astype(float))
        for index in np.argsort(-np.asarray(found["scores"]), kind="stable"):
            fits = free & (labels == found["classes"][index])
            overlaps = np.where(fits, overlap[index], -1.0)
            best = int(np.argmax(overlaps)) if len(overlaps) else -1
            right = best >= 0 and overlaps[best] >= iou_threshold
            if right:
                free[best] = False
            answers.append(bool(right))
            scores.append(float(found["scores"][index]))
        answers += [True] * int(free.sum())
        scores += [0.0] * int(free.sum())
    return np.array(answers, bool), np.array(scores, float)


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 4) and (M, 4) to (N, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=-1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-12)
