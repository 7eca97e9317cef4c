"""What tensors a loss reads: the shapes in words, and how to draw examples of them.

NumPy only. Classifiers draw logits; the conformance kit turns them into probabilities for a loss
that reads those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way of reading targets and predictions.

    Args:
        name: as in `Loss.kinds`.
        reads: shapes, units and ranges in words.
        draw: (rng, batch) -> (y_true, y_pred) of ordinary difficulty.
        perfect: y_true -> the prediction that equals it (logits of 40 for classifiers).
        activation: "softmax", "sigmoid" or None: from logits to probabilities; "exp": from
            logarithms to rates or amounts.
        extremes: numbers that predictions may take at worst (logits for classifiers).
    """

    name: str
    reads: str
    draw: Draw
    perfect: Callable[[np.ndarray], np.ndarray]
    activation: str | None = None
    extremes: tuple[float, ...] = (-1e4, -1.0, 0.0, 1.0, 1e4)


def _boxes(rng: np.random.Generator, batch: int) -> np.ndarray:
    corner = rng.uniform(0.0, 0.6, (batch, 3, 2))
    return np.concatenate([corner, corner + rng.uniform(0.1, 0.4, (batch, 3, 2))], axis=-1)


def _draw_rotated_boxes(rng, batch):
    def boxes():
        centre, sides = rng.uniform(0.0, 1.0, (batch, 3, 2)), rng.uniform(0.1, 0.5, (batch, 3, 2))
        return np.concatenate([centre, sides, rng.uniform(-3.0, 3.0, (batch, 3, 1))], axis=-1)

    return boxes(), boxes()


def _draw_tags(rng, batch):
    real = np.resize([[1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [1.0] * 4], (batch, 4))
    return real, rng.normal(size=(batch, 4, 2))


def _draw_relevance(rng, batch):
    grades = rng.integers(0, 4, (batch, 6)).astype(float)
    grades[1::3, 4:] = -1.0  # a list with padding, and one without relevant items
    grades[5::6] = 0.0
    return grades, rng.normal(size=(batch, 6))


def _draw_preference(rng, batch):
    reference = rng.uniform(-30.0, -10.0, (batch, 2))
    return reference, reference + rng.uniform(-2.0, 2.0, (batch, 2))


def _draw_feedback(rng, batch):
    reference = rng.uniform(-30.0, -10.0, batch)
    liked = np.resize([1.0, 0.0, 0.0], batch)
    policy = reference + rng.normal(size=batch)
    return np.stack([liked, reference, rng.uniform(0.0, 1.0, batch)], axis=-1), policy[:, None]


def _draw_answers(rng, batch):
    lengths = rng.integers(3, 9, (batch, 2))
    return lengths, lengths * rng.uniform(-3.0, -0.3, (batch, 2))


def _draw_policy(rng, batch):
    old, advantage = rng.uniform(-3.0, -1.0, (batch, 4)), rng.normal(size=(batch, 4))
    reference = old + np.log(np.where(advantage > 0, 1.4, 0.75))  # beyond the usual bounds
    return np.stack([old, advantage, reference], axis=-1), old + rng.normal(0.0, 0.3, (batch, 4))


def _logits(y: np.ndarray) -> np.ndarray:
    return 80.0 * y - 40.0


def _draw_ids(rng, batch):
    return rng.integers(0, 5, batch), rng.normal(0.0, 2.0, (batch, 5))


def _draw_binary(rng, batch):
    return rng.integers(0, 2, (batch, 1)).astype(float), rng.normal(0.0, 2.0, (batch, 1))


def _draw_multilabel(rng, batch):
    return rng.integers(0, 2, (batch, 5)).astype(float), rng.normal(0.0, 2.0, (batch, 5))


def _draw_quality(rng, batch):
    quality = rng.uniform(0.0, 1.0, (batch, 5)) * rng.integers(0, 2, (batch, 5))
    return quality, rng.normal(0.0, 2.0, (batch, 5))


def _class_ids(batch: int) -> np.ndarray:
    """In six examples: a class of two, one of three, and one of a single member."""
    return np.resize([7, 7, 2, 2, 2, 4], batch)


def _draw_embedding(rng, batch):
    return _class_ids(batch), rng.normal(size=(batch, 4))


def _draw_cosine_logits(rng, batch):
    return rng.integers(0, 5, batch), rng.uniform(-0.9, 0.9, (batch, 5))


def _draw_mask(rng, batch):
    y_true = rng.integers(0, 2, (batch, 4, 5, 2)).astype(float)
    y_true[1::3, ..., 0] = 0.0  # an empty mask, and a full one
    y_true[2::3, ..., 1] = 1.0
    return y_true, rng.normal(0.0, 2.0, (batch, 4, 5, 2))


def _draw_class_mask(rng, batch):
    ids = rng.integers(0, 3, (batch, 4, 5))
    ids[1::3] %= 2  # the last class is absent
    return ids, rng.normal(0.0, 2.0, (batch, 4, 5, 3))


def _draw_logits_and_norm(rng, batch):
    ids, logits = _draw_ids(rng, batch)
    return ids, np.concatenate([logits, rng.uniform(0.1, 2.0, (batch, 1))], axis=-1)


def _draw_logits_and_target(rng, batch):
    ids, logits = _draw_ids(rng, batch)
    return ids, np.stack([logits, rng.dirichlet(np.ones(5), batch)], axis=1)


def _draw_two_networks(rng, batch):
    return rng.integers(0, 5, batch), rng.normal(0.0, 2.0, (batch, 2, 5))


def _draw_image(rng, batch):
    y_true = rng.uniform(0.2, 0.8, (batch, 8, 6, 3))
    return y_true, y_true + rng.uniform(-0.19, 0.19, y_true.shape)


def _draw_teacher(rng, batch):
    return rng.normal(0.0, 2.0, (batch, 5)), rng.normal(0.0, 2.0, (batch, 5))


def _draw_labelled_teacher(rng, batch):
    labels = np.eye(5)[rng.integers(0, 5, batch)]
    teacher, student = _draw_teacher(rng, batch)
    return np.stack([teacher, labels], axis=1), student


def _draw_teacher_features(rng, batch):
    return rng.normal(size=(batch, 3, 2, 4)), rng.normal(size=(batch, 3, 2, 4))


def _draw_views(rng, batch):
    """Views of examples that are at right angles to each other, and views of others."""
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    return 2.0 * np.resize(basis, (batch, 8)), rng.normal(size=(batch, 8))


def _draw_scores(rng, batch):
    return np.resize([1.0, 0.0], (batch, 1)), rng.normal(0.0, 2.0, (batch, 1))


def _draw_cosine_logits_and_length(rng, batch):
    ids, cosines = _draw_cosine_logits(rng, batch)
    return ids, np.concatenate([cosines, rng.uniform(12.0, 60.0, (batch, 1))], axis=-1)


def _draw_heat_map(rng, batch):
    rows, columns = np.mgrid[0:4, 0:5]
    centre = rng.integers(0, 4, (batch, 2, 1, 1, 2))
    away = (rows - centre[..., 0]) ** 2 + (columns - centre[..., 1]) ** 2
    y_true = np.moveaxis(np.exp(-0.5 * away), 1, -1)
    y_true[1::3, ..., 0] *= 0.7  # a map without a peak
    return y_true, rng.normal(0.0, 2.0, (batch, 4, 5, 2))


def _draw_binned(rng, batch):
    y_true = rng.uniform(0.0, 4.0, (batch, 3))
    y_true[0, :2] = 0.0, 4.0  # both ends
    return y_true, rng.normal(0.0, 1.0, (batch, 3, 5))


def _draw_class_quality(rng, batch):
    ids = rng.integers(0, 5, batch)
    quality = np.where(ids == 0, 1.0, rng.uniform(0.2, 1.0, batch))
    return np.eye(5)[ids] * quality[:, None], rng.normal(0.0, 2.0, (batch, 5))


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
    return _logits(np.eye(4)[frames])


def _draw_class_views(rng, batch):
    return rng.integers(0, 5, batch), rng.normal(0.0, 2.0, (batch, 3, 5))


def _between_bins(y: np.ndarray) -> np.ndarray:
    return _log_of(np.maximum(1.0 - np.abs(y[..., None] - np.arange(5)), 0.0), 1e-30)


def _logit(q: np.ndarray) -> np.ndarray:
    q = np.clip(q, 1e-17, 1.0 - 1e-16)
    return np.log(q) - np.log1p(-q)


def _draw_positive(rng, batch):
    return rng.uniform(0.2, 4.0, (batch, 4)), rng.normal(0.0, 0.7, (batch, 4))


def _draw_counts(rng, batch):
    return rng.poisson(2.0, (batch, 4)).astype(float), rng.normal(0.5, 0.7, (batch, 4))


def _log_of(y: np.ndarray, floor: float = 1e-26) -> np.ndarray:
    return np.log(np.maximum(y, floor))


def _draw_gaussian(rng, batch):
    location, log_variance = rng.normal(size=batch), rng.uniform(-1.0, 1.0, batch)
    return rng.normal(size=batch), np.stack([location, log_variance], axis=-1)


def _draw_several(rng, batch):
    return rng.normal(size=batch), rng.normal(size=(batch, 3))


def _draw_quantile_samples(rng, batch):
    return rng.normal(size=(batch, 5)), rng.normal(size=(batch, 3))


def _quantile_midpoints(samples: np.ndarray) -> np.ndarray:
    return np.quantile(samples, [1 / 6, 1 / 2, 5 / 6], axis=-1, method="inverted_cdf").T


def _draw_mixture(rng, batch):
    logits, means, log_scales = rng.normal(size=(3, batch, 2)) * [[[1.0]], [[1.0]], [[0.2]]]
    return rng.normal(size=batch), np.concatenate([logits, means, log_scales], axis=-1)


def _draw_evidential(rng, batch):
    return rng.normal(size=batch), rng.normal(size=(batch, 4))


def _draw_negative_binomial(rng, batch, parameters=2):
    return rng.poisson(2.0, batch).astype(float) * (rng.uniform(size=batch) < 0.7), rng.normal(
        0.3, 0.7, (batch, parameters)
    )


def _zero_inflated(y: np.ndarray) -> np.ndarray:
    return np.stack([_log_of(y, 1e-9), np.full(len(y), 12.0), np.where(y == 0, 40.0, -40.0)], -1)


def _draw_ordinal(rng, batch):
    return rng.integers(0, 5, batch), -np.sort(rng.normal(0.0, 2.0, (batch, 4)), axis=-1)


def _draw_histogram(rng, batch):
    return rng.dirichlet(np.ones(5), batch), rng.normal(0.0, 1.0, (batch, 5))


def _draw_value_distribution(rng, batch):
    atoms = np.sort(rng.uniform(-12.0, 12.0, (batch, 5)), axis=-1)
    return np.stack([atoms, rng.dirichlet(np.ones(5), batch)], 1), rng.normal(size=(batch, 9))


def _on_support(target: np.ndarray) -> np.ndarray:
    """Log of the target's distribution on 9 atoms from -10 to 10, each shared by neighbours."""
    support = np.linspace(-10.0, 10.0, 9)
    away = np.abs(np.clip(target[:, 0], -10.0, 10.0)[:, :, None] - support) / 2.5
    return _log_of((np.maximum(1.0 - away, 0.0) * target[:, 1][:, :, None]).sum(1), 1e-30)


def _draw_disparity(rng, batch):
    return rng.uniform(size=(batch, 4, 5, 3)), rng.uniform(0.1, 1.0, (batch, 4, 5, 1))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "binary",
            "y_true (batch, 1) in {0, 1}; y_pred (batch, 1) probabilities or logits",
            _draw_binary,
            _logits,
            "sigmoid",
        ),
        Kind(
            "multiclass",
            "y_true (batch,) class ids or (batch, C) one-hot; y_pred (batch, C)",
            _draw_ids,
            lambda ids: _logits(np.eye(5)[ids]),
            "softmax",
        ),
        Kind(
            "logits_and_norm",
            "y_true (batch,) class ids; y_pred (batch, C + 1) logits, then a norm >= 0",
            _draw_logits_and_norm,
            lambda ids: np.concatenate([_logits(np.eye(5)[ids]), np.ones((len(ids), 1))], 1),
        ),
        Kind(
            "logits_and_target",
            "y_true (batch,) class ids; y_pred (batch, 2, C) logits, then running probabilities",
            _draw_logits_and_target,
            lambda ids: np.stack([_logits(np.eye(5)[ids]), np.eye(5)[ids]], axis=1),
        ),
        Kind(
            "two_networks",
            "y_true (batch,) class ids or (batch, C) one-hot; y_pred (batch, 2, C) predictions of "
            "two networks or views",
            _draw_two_networks,
            lambda ids: _logits(np.eye(5)[ids])[:, None].repeat(2, axis=1),
            "softmax",
        ),
        Kind(
            "multilabel",
            "y_true (batch, C) in {0, 1}; y_pred (batch, C) independent probabilities or logits",
            _draw_multilabel,
            _logits,
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
            "regression",
            "y_true, y_pred (batch, D) real numbers of one unit",
            lambda rng, batch: (rng.normal(size=(batch, 4)), rng.normal(size=(batch, 4))),
            lambda y: y.copy(),
        ),
        Kind(
            "boxes",
            "y_true, y_pred (batch, N, 4) x1 y1 x2 y2 of one unit, x1 <= x2 and y1 <= y2",
            lambda rng, batch: (_boxes(rng, batch), _boxes(rng, batch)),
            lambda y: y.copy(),
        ),
        Kind(
            "rotated_boxes",
            "y_true, y_pred (batch, N, 5) centre x, y, width, height of one unit, angle in radians",
            _draw_rotated_boxes,
            lambda y: y.copy(),
        ),
        Kind(
            "tags",
            "y_true (batch, N) 1 for objects, 0 for padding; y_pred (batch, N, P) tags of the P "
            "points of each object",
            _draw_tags,
            lambda y: np.broadcast_to(10.0 * np.arange(4.0)[:, None], (len(y), 4, 2)).copy(),
        ),
        Kind(
            "relevance",
            "y_true (batch, N) grades of a list's items, below 0 for padding; y_pred (batch, N) "
            "scores, whose order counts",
            _draw_relevance,
            lambda y: 20.0 * y,
        ),
        Kind(
            "grades",
            "y_true (batch, N) grades of a list's items, below 0 for padding; y_pred (batch, N) "
            "scores, equal to the grades but for a constant",
            _draw_relevance,
            lambda y: y.copy(),
        ),
        Kind(
            "preference",
            "y_true (batch, 2) a reference's log-probabilities of the chosen and the rejected "
            "answer; y_pred (batch, 2) those of the policy",
            _draw_preference,
            lambda y: y + np.array([2.5, -2.5]),
        ),
        Kind(
            "feedback",
            "y_true (batch, 3) liked or not, log-probability of a reference, its divergence from "
            "the policy; y_pred (batch, 1) log-probability of the policy",
            _draw_feedback,
            lambda y: (y[:, 1] + y[:, 2] + np.where(y[:, 0] > 0, 400.0, -400.0))[:, None],
        ),
        Kind(
            "rewards",
            "y_true (batch, 1) margin; y_pred (batch, 2) rewards of the chosen and the rejected "
            "answer",
            lambda rng, batch: (rng.uniform(0.0, 1.0, (batch, 1)), rng.normal(size=(batch, 2))),
            lambda y: np.repeat([[20.0, -20.0]], len(y), axis=0),
        ),
        Kind(
            "answers",
            "y_true (batch, 2) lengths of the chosen and the rejected answer; y_pred (batch, 2) "
            "their log-probabilities",
            _draw_answers,
            lambda y: y * np.array([-0.01, -20.0]),
        ),
        Kind(
            "policy",
            "y_true (batch, T, 3) old log-probability, advantage, log-probability of a reference; "
            "y_pred (batch, T) log-probability of the policy",
            _draw_policy,
            lambda y: y[..., 2].copy(),
        ),
        Kind(
            "router",
            "y_true (batch,) not used; y_pred (batch, E) logits of a router over experts; a loss "
            "over the whole batch",
            lambda rng, batch: (np.arange(batch), rng.normal(0.0, 2.0, (batch, 5))),
            lambda y: np.full((len(y), 5), -np.log(5.0)),
        ),
        Kind(
            "embedding",
            "y_true (batch,) class ids; y_pred (batch, D) embeddings; a loss over the whole batch",
            _draw_embedding,
            lambda ids: 10.0 * np.eye(4)[np.unique(ids, return_inverse=True)[1]],
            extremes=(-1e4, -1.0, 0.0, 1e-20, 1e4),
        ),
        Kind(
            "cosine_logits",
            "y_true (batch,) class ids; y_pred (batch, C) cosines in [-1, 1], one a class",
            _draw_cosine_logits,
            lambda ids: 2.0 * np.eye(5)[ids] - 1.0,
            extremes=(-1.0, 0.0, 1.0, 1.000001),
        ),
        Kind(
            "cosine_logits_and_length",
            "y_true (batch,) class ids; y_pred (batch, C + 1) cosines, then a length > 0",
            _draw_cosine_logits_and_length,
            lambda ids: np.concatenate(
                [2.0 * np.eye(5)[ids] - 1.0, np.full((len(ids), 1), 110.0)], 1
            ),
            extremes=(-1.0, 0.0, 1.0, 1.000001),
        ),
        Kind(
            "pair_distance",
            "y_true (batch, P) 1 for two of a kind, else 0; y_pred (batch, P) distances >= 0",
            lambda rng, batch: (
                rng.integers(0, 2, (batch, 2)).astype(float),
                rng.uniform(0.1, 2.0, (batch, 2)),
            ),
            lambda y: 4.0 * (1.0 - y),
            extremes=(0.0, 1.0, 1e4),
        ),
        Kind(
            "triplets",
            "y_true (batch,), not read; y_pred (batch, 3, D) anchor, positive and negative",
            lambda rng, batch: (np.zeros(batch), rng.normal(size=(batch, 3, 3))),
            lambda y: np.tile([[[0.0, 0, 9], [0, 0, 9], [9, 0, 0]]], (len(y), 1, 1)),
        ),
        Kind(
            "class_distances",
            "y_true (batch,) class ids; y_pred (batch, C) squared distances, one a class",
            lambda rng, batch: (rng.integers(0, 5, batch), rng.uniform(0.1, 4.0, (batch, 5))),
            lambda ids: 4.0 * (1.0 - np.eye(5)[ids]),
            extremes=(0.0, 1.0, 1e8),
        ),
        Kind(
            "mask",
            "y_true (batch, *spatial, C) in {0, 1}; y_pred alike, independent probabilities or "
            "logits; one spatial axis or more",
            _draw_mask,
            _logits,
            "sigmoid",
        ),
        Kind(
            "class_mask",
            "y_true (batch, *spatial) class ids or (batch, *spatial, C) one-hot; y_pred "
            "(batch, *spatial, C) probabilities or logits; one spatial axis or more",
            _draw_class_mask,
            lambda ids: _logits(np.eye(3)[ids]),
            "softmax",
        ),
        Kind(
            "displacement",
            "y_pred (batch, *spatial, D) displacements in pixels; y_true is not read",
            lambda rng, batch: (np.zeros((batch, 5, 4, 2)), rng.normal(size=(batch, 5, 4, 2))),
            lambda y: y.copy(),
        ),
        Kind(
            "image",
            "y_true, y_pred (batch, height, width, channels) images in [0, 1]",
            _draw_image,
            lambda y: y.copy(),
            extremes=(0.0, 1.0, -1e4, 1e4),
        ),
        Kind(
            "image_alone",
            "y_pred (batch, height, width, channels) images in [0, 1]; y_true is not read",
            _draw_image,
            lambda y: np.full_like(y, 0.5),
            extremes=(0.0, 1.0, -1e4, 1e4),
        ),
        Kind(
            "critic",
            "y_true (batch, 1) 1 for real, 0 for generated; y_pred (batch, 1) scores of a critic",
            _draw_scores,
            _logits,
        ),
        Kind(
            "critic_value",
            "y_true (batch, 1) 1 for real, 0 for generated; y_pred (batch, 1) the same, estimated",
            _draw_scores,
            lambda y: y.copy(),
        ),
        Kind(
            "critic_pair",
            "y_true (batch, 1) scores of generated examples, y_pred (batch, 1) of as many real "
            "ones (critic), or the other way round (generator)",
            lambda rng, batch: (rng.normal(size=(batch, 1)), rng.normal(size=(batch, 1))),
            lambda y: y + 40.0,
        ),
        Kind(
            "unit_gradient",
            "y_pred (batch, ...) the critic's slope at each example, wanted of length 1; y_true is "
            "not read",
            lambda rng, batch: (np.ones((batch, 1)), rng.normal(size=(batch, 4))),
            lambda y: np.tile([[0.6, 0.0, -0.8, 0.0]], (len(y), 1)),
        ),
        Kind(
            "zero_gradient",
            "y_pred (batch, ...) the critic's slope at each example, wanted 0; y_true is not read",
            lambda rng, batch: (np.zeros((batch, 1)), rng.normal(size=(batch, 4))),
            lambda y: np.zeros((len(y), 4)),
        ),
        Kind(
            "path_length",
            "y_true (batch, 1) the running mean length; y_pred (batch, ...) the generator's slope "
            "in a random direction of the image, one an example",
            lambda rng, batch: (np.full((batch, 1), 1.5), rng.normal(size=(batch, 4))),
            lambda y: y * np.array([[0.6, 0.0, -0.8, 0.0]]),
        ),
        Kind(
            "positive",
            "y_true (batch, D) positive amounts; y_pred (batch, D) the same, or their logarithms",
            _draw_positive,
            _log_of,
            "exp",
            extremes=(-60.0, -1.0, 0.0, 1.0, 20.0),
        ),
        Kind(
            "counts",
            "y_true (batch, D) counts 0, 1, 2...; y_pred (batch, D) rates > 0, or their logarithms",
            _draw_counts,
            _log_of,
            "exp",
            extremes=(-60.0, -1.0, 0.0, 1.0, 20.0),
        ),
        Kind(
            "gaussian",
            "y_true (batch,) or (batch, 1); y_pred (batch, 2) location and logarithm of the spread",
            _draw_gaussian,
            lambda y: np.stack([y, np.full(len(y), -2.0)], axis=-1),
        ),
        Kind(
            "quantiles",
            "y_true (batch,) or (batch, 1); y_pred (batch, Q) one number for each quantile",
            _draw_several,
            lambda y: np.repeat(y[:, None], 3, axis=1),
        ),
        Kind(
            "ensemble",
            "y_true (batch,) or (batch, 1); y_pred (batch, M) members of an ensemble, in any order",
            _draw_several,
            lambda y: np.repeat(y[:, None], 3, axis=1),
        ),
        Kind(
            "quantile_samples",
            "y_true (batch, N) samples of a distribution; y_pred (batch, Q) its quantiles",
            _draw_quantile_samples,
            _quantile_midpoints,
        ),
        Kind(
            "mixture",
            "y_true (batch,) or (batch, 1); y_pred (batch, 3 K) K logits, K means, K log-scales",
            _draw_mixture,
            lambda y: np.stack([0 * y, 0 * y, y, y, 0 * y - 2, 0 * y - 2], axis=-1),
        ),
        Kind(
            "evidential",
            "y_true (batch,) or (batch, 1); y_pred (batch, 4) raw location, nu, alpha and beta",
            _draw_evidential,
            lambda y: np.stack([y, 0 * y + 5, 0 * y + 5, 0 * y - 5], axis=-1),
        ),
        Kind(
            "negative_binomial",
            "y_true (batch,) counts; y_pred (batch, 2) log-mean and log-size",
            _draw_negative_binomial,
            lambda y: _zero_inflated(y)[:, :2],
        ),
        Kind(
            "zero_inflated",
            "y_true (batch,) counts; y_pred (batch, 3) log-mean, log-size and the logit of a zero",
            lambda rng, batch: _draw_negative_binomial(rng, batch, 3),
            _zero_inflated,
        ),
        Kind(
            "ordinal",
            "y_true (batch,) ranks 0 to K - 1; y_pred (batch, K - 1) logits of 'rank > k'",
            _draw_ordinal,
            lambda y: np.where(np.arange(4) < y[:, None], 40.0, -40.0),
        ),
        Kind(
            "histogram",
            "y_true (batch, K) shares of ordered bins; y_pred (batch, K) probabilities or logits",
            _draw_histogram,
            _log_of,
            "softmax",
        ),
        Kind(
            "value_distribution",
            "y_true (batch, 2, N) atoms and their probabilities; y_pred (batch, A) probabilities "
            "or logits of evenly spaced atoms",
            _draw_value_distribution,
            _on_support,
            "softmax",
        ),
        Kind(
            "disparity",
            "y_true (batch, H, W, C) images; y_pred (batch, H, W, 1) inverse depth",
            _draw_disparity,
            lambda y: np.ones((*y.shape[:3], 1)),
        ),
        Kind(
            "score",
            "y_true (batch, 1) numbers; y_pred (batch, 1) scores in their order; a loss over the "
            "whole batch",
            lambda rng, batch: (rng.normal(size=(batch, 1)), rng.normal(size=(batch, 1))),
            lambda y: 2.0 * np.argsort(np.argsort(y, axis=0), axis=0),
        ),
        Kind(
            "trajectory",
            "y_true, y_pred (batch, T, D) numbers at rising times",
            lambda rng, batch: (
                rng.normal(0.0, 0.2, (batch, 4, 2)),
                rng.normal(0.0, 0.2, (batch, 4, 2)),
            ),
            lambda y: y.copy(),
        ),
        Kind(
            "spread",
            "y_true (batch,) not used; y_pred (batch, D) embeddings; a loss over the whole batch",
            lambda rng, batch: (np.arange(batch), rng.normal(size=(batch, 4))),
            lambda y: np.concatenate([np.eye(4)[:3], -np.eye(4)[:3]])[np.arange(len(y)) % 6],
            extremes=(-1e4, -1.0, 0.0, 1e-20, 1e4),
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
        Kind(
            "teacher_features",
            "y_true (batch, height, width, C) features of a teacher, y_pred of its student",
            _draw_teacher_features,
            lambda y: y.copy(),
        ),
        Kind(
            "heat_map",
            "y_true (batch, H, W, C) in [0, 1], 1 at peaks; y_pred (batch, H, W, C) probabilities "
            "or logits",
            _draw_heat_map,
            lambda y: _logits((y == 1.0).astype(float)),
            "sigmoid",
        ),
        Kind(
            "binned",
            "y_true (batch, N) in [0, bins - 1]; y_pred (batch, N, bins) probabilities or logits",
            _draw_binned,
            _between_bins,
            "softmax",
        ),
        Kind(
            "class_quality",
            "y_true (batch, C), the quality in (0, 1] of the label at its class, else 0; y_pred "
            "(batch, C) probabilities or logits of exclusive classes",
            _draw_class_quality,
            lambda y: _logits((y > 0).astype(float)),
            "softmax",
        ),
        Kind(
            "views",
            "y_true (batch, D) embeddings of one view of each example, y_pred (batch, D) of the "
            "other; a loss over the whole batch",
            _draw_views,
            lambda y: y.copy(),
            extremes=(-1e4, -1.0, 0.0, 1e-20, 1e4),
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
            "class_views",
            "y_true (batch,) class ids or (batch, C) one-hot; y_pred (batch, V, C) probabilities "
            "or logits of V views of an example, the clean one first",
            _draw_class_views,
            lambda ids: np.repeat(_logits(np.eye(5)[ids])[:, None], 3, axis=1),
            "softmax",
        ),
    )
}


def kind_of(name: str) -> Kind:
    """The Kind of that name, or a ValueError with all names."""
    from lossforge.errors import unknown_name

    if name not in KINDS:
        raise ValueError(unknown_name("kind", name, KINDS))
    return KINDS[name]


def probabilities(kind: Kind, logits: np.ndarray) -> Any:
    """Logits of a classifier as the probabilities that its activation gives ("exp": as rates)."""
    if kind.activation == "exp":
        return np.exp(logits)
    if kind.activation == "softmax":
        e = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
