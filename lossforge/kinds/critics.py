"""A critic's scores of real and generated examples, and its slope."""

from __future__ import annotations

import numpy as np

from lossforge.kinds.kind import Kind, logits_of


def _draw_scores(rng, batch):
    return np.resize([1.0, 0.0], (batch, 1)), rng.normal(0.0, 2.0, (batch, 1))


KINDS = (
    Kind(
        "critic",
        "y_true (batch, 1) 1 for real, 0 for generated; y_pred (batch, 1) scores of a critic",
        _draw_scores,
        logits_of,
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
)
