"""Numbers and distributions of numbers."""

from __future__ import annotations

import numpy as np

from lossforge.kinds.kind import Kind, log_of


def _draw_binned(rng, batch):
    y_true = rng.uniform(0.0, 4.0, (batch, 3))
    y_true[0, :2] = 0.0, 4.0  # both ends
    return y_true, rng.normal(0.0, 1.0, (batch, 3, 5))


def _between_bins(y: np.ndarray) -> np.ndarray:
    return log_of(np.maximum(1.0 - np.abs(y[..., None] - np.arange(5)), 0.0), 1e-30)


def _draw_positive(rng, batch):
    return rng.uniform(0.2, 4.0, (batch, 4)), rng.normal(0.0, 0.7, (batch, 4))


def _draw_counts(rng, batch):
    return rng.poisson(2.0, (batch, 4)).astype(float), rng.normal(0.5, 0.7, (batch, 4))


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
    return np.stack([log_of(y, 1e-9), np.full(len(y), 12.0), np.where(y == 0, 40.0, -40.0)], -1)


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
    return log_of((np.maximum(1.0 - away, 0.0) * target[:, 1][:, :, None]).sum(1), 1e-30)


KINDS = (
    Kind(
        "regression",
        "y_true, y_pred (batch, D) real numbers of one unit",
        lambda rng, batch: (rng.normal(size=(batch, 4)), rng.normal(size=(batch, 4))),
        lambda y: y.copy(),
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
        "score",
        "y_true (batch, 1) numbers; y_pred (batch, 1) scores in their order; a loss over the "
        "whole batch",
        lambda rng, batch: (rng.normal(size=(batch, 1)), rng.normal(size=(batch, 1))),
        lambda y: 2.0 * np.argsort(np.argsort(y, axis=0), axis=0),
    ),
    Kind(
        "positive",
        "y_true (batch, D) positive amounts; y_pred (batch, D) the same, or their logarithms",
        _draw_positive,
        log_of,
        "exp",
        extremes=(-60.0, -1.0, 0.0, 1.0, 20.0),
    ),
    Kind(
        "counts",
        "y_true (batch, D) counts 0, 1, 2...; y_pred (batch, D) rates > 0, or their logarithms",
        _draw_counts,
        log_of,
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
        log_of,
        "softmax",
    ),
    Kind(
        "binned",
        "y_true (batch, N) in [0, bins - 1]; y_pred (batch, N, bins) probabilities or logits",
        _draw_binned,
        _between_bins,
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
)
