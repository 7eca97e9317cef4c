"""Lists, preferences, policies and routers."""

from __future__ import annotations

import numpy as np

from lossforge.kinds.kind import Kind


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


KINDS = (
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
        "y_true (batch, 1) margin; y_pred (batch, 2) rewards of the chosen and the rejected answer",
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
)
