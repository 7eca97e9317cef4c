"""Classes and labels: logits or probabilities of what an example is."""

from __future__ import annotations

import numpy as np

from lossforge.kinds.kind import Kind, logits_of


def _draw_ids(rng, batch):
    return rng.integers(0, 5, batch), rng.normal(0.0, 2.0, (batch, 5))


def _draw_binary(rng, batch):
    return rng.integers(0, 2, (batch, 1)).astype(float), rng.normal(0.0, 2.0, (batch, 1))


def _draw_multilabel(rng, batch):
    return rng.integers(0, 2, (batch, 5)).astype(float), rng.normal(0.0, 2.0, (batch, 5))


def _draw_quality(rng, batch):
    quality = rng.uniform(0.0, 1.0, (batch, 5)) * rng.integers(0, 2, (batch, 5))
    return quality, rng.normal(0.0, 2.0, (batch, 5))


def _draw_logits_and_norm(rng, batch):
    ids, logits = _draw_ids(rng, batch)
    return ids, np.concatenate([logits, rng.uniform(0.1, 2.0, (batch, 1))], axis=-1)


def _draw_logits_and_target(rng, batch):
    ids, logits = _draw_ids(rng, batch)
    return ids, np.stack([logits, rng.dirichlet(np.ones(5), batch)], axis=1)


def _draw_two_networks(rng, batch):
    return rng.integers(0, 5, batch), rng.normal(0.0, 2.0, (batch, 2, 5))


def _draw_teacher(rng, batch):
    return rng.normal(0.0, 2.0, (batch, 5)), rng.normal(0.0, 2.0, (batch, 5))


def _draw_labelled_teacher(rng, batch):
    labels = np.eye(5)[rng.integers(0, 5, batch)]
    teacher, student = _draw_teacher(rng, batch)
    return np.stack([teacher, labels], axis=1), student


def _draw_class_quality(rng, batch):
    ids = rng.integers(0, 5, batch)
    quality = np.where(ids == 0, 1.0, rng.uniform(0.2, 1.0, batch))
    return np.eye(5)[ids] * quality[:, None], rng.normal(0.0, 2.0, (batch, 5))


def _draw_logits_and_counts(rng, batch):
    ids, logits = _draw_ids(rng, batch)
    return ids, np.stack([logits, rng.integers(0, 100, (batch, 5)).astype(float)], axis=1)


def _draw_logits_and_weights(rng, batch):
    labels, logits = _draw_multilabel(rng, batch)
    return labels, np.stack([logits, rng.uniform(0.0, 3.0, (batch, 5))], axis=1)


def _draw_tag_sequence(rng, batch):
    tags = rng.integers(0, 3, (batch, 4))
    tags[1::3, 2:] = -1
    tags[5::6] = -1  # no frame at all
    return tags, rng.normal(size=(batch, 4 + 3, 3))


def _draw_label_sequence(rng, batch):
    labels = rng.integers(1, 4, (batch, 3))
    labels[0] = 2, 2, 3  # a repetition
    labels[1::3, 2] = -1
    labels[2::4] = -1  # no label at all
    return labels, rng.normal(0.0, 2.0, (batch, 5, 4))


def _spelling(labels: np.ndarray) -> np.ndarray:
    """Logits of frames in which a blank (class 0) follows each label."""
    frames = np.zeros((len(labels), 5), dtype=int)
    frames[:, ::2] = np.maximum(labels, 0)
    return logits_of(np.eye(4)[frames])


def _draw_class_views(rng, batch):
    return rng.integers(0, 5, batch), rng.normal(0.0, 2.0, (batch, 3, 5))


def _logit(q: np.ndarray) -> np.ndarray:
    q = np.clip(q, 1e-17, 1.0 - 1e-16)
    return np.log(q) - np.log1p(-q)


KINDS = (
    Kind(
        "binary",
        "y_true (batch, 1) in {0, 1}; y_pred (batch, 1) probabilities or logits",
        _draw_binary,
        logits_of,
        "sigmoid",
    ),
    Kind(
        "multiclass",
        "y_true (batch,) class ids or (batch, C) one-hot; y_pred (batch, C)",
        _draw_ids,
        lambda ids: logits_of(np.eye(5)[ids]),
        "softmax",
    ),
    Kind(
        "multilabel",
        "y_true (batch, C) in {0, 1}; y_pred (batch, C) independent probabilities or logits",
        _draw_multilabel,
        logits_of,
        "sigmoid",
    ),
    Kind(
        "quality",
        "y_true (batch, C) qualities in [0, 1]; y_pred (batch, C) probabilities or logits",
        _draw_quality,
        _logit,
        "sigmoid",
    ),
    Kind(
        "class_quality",
        "y_true (batch, C), the quality in (0, 1] of the label at its class, else 0; y_pred "
        "(batch, C) probabilities or logits of exclusive classes",
        _draw_class_quality,
        lambda y: logits_of((y > 0).astype(float)),
        "softmax",
    ),
    Kind(
        "logits_and_norm",
        "y_true (batch,) class ids; y_pred (batch, C + 1) logits, then a norm >= 0",
        _draw_logits_and_norm,
        lambda ids: np.concatenate([logits_of(np.eye(5)[ids]), np.ones((len(ids), 1))], 1),
    ),
    Kind(
        "logits_and_target",
        "y_true (batch,) class ids; y_pred (batch, 2, C) logits, then running probabilities",
        _draw_logits_and_target,
        lambda ids: np.stack([logits_of(np.eye(5)[ids]), np.eye(5)[ids]], axis=1),
    ),
    Kind(
        "logits_and_counts",
        "y_true (batch,) class ids; y_pred (batch, 2, C) logits, then how often each class came",
        _draw_logits_and_counts,
        lambda ids: np.stack([logits_of(np.eye(5)[ids]), np.ones((len(ids), 5))], axis=1),
    ),
    Kind(
        "logits_and_weights",
        "y_true (batch, C) in {0, 1}; y_pred (batch, 2, C) logits, then a weight >= 0 of each",
        _draw_logits_and_weights,
        lambda y: np.stack([logits_of(y), np.ones_like(y)], axis=1),
    ),
    Kind(
        "two_networks",
        "y_true (batch,) class ids or (batch, C) one-hot; y_pred (batch, 2, C) predictions of "
        "two networks or views",
        _draw_two_networks,
        lambda ids: logits_of(np.eye(5)[ids])[:, None].repeat(2, axis=1),
        "softmax",
    ),
    Kind(
        "class_views",
        "y_true (batch,) class ids or (batch, C) one-hot; y_pred (batch, V, C) probabilities "
        "or logits of V views of an example, the clean one first",
        _draw_class_views,
        lambda ids: np.repeat(logits_of(np.eye(5)[ids])[:, None], 3, axis=1),
        "softmax",
    ),
    Kind(
        "tag_sequence",
        "y_true (batch, T) tags, padded at the end by -1; y_pred (batch, T + K, K) scores of T "
        "frames, then of each tag (column) after each other (row)",
        _draw_tag_sequence,
        lambda y: np.concatenate(
            [logits_of(np.eye(3)[np.maximum(y, 0)]), np.zeros((len(y), 3, 3))], axis=1
        ),
    ),
    Kind(
        "label_sequence",
        "y_true (batch, L) class ids, padded by -1; y_pred (batch, T, C) probabilities or "
        "logits a frame, class 0 blank",
        _draw_label_sequence,
        _spelling,
        "softmax",
    ),
    Kind(
        "teacher",
        "y_true (batch, C) logits of a teacher, y_pred (batch, C) of its student",
        _draw_teacher,
        lambda y: y.copy(),
    ),
    Kind(
        "labelled_teacher",
        "y_true (batch, 2, C) a teacher's logits and one-hot labels; y_pred (batch, C) logits "
        "of its student",
        _draw_labelled_teacher,
        lambda y: y[:, 0].copy(),
    ),
)
