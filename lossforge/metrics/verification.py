"""Are two of one identity? ROC, EER, TAR at a FAR with its interval, LFW's ten folds."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Rate:
    """The share of genuine pairs accepted at the threshold of a false-accept rate.

    Args:
        far: the rate asked for.
        tar: true-accept rate there, in [0, 1].
        low, high: its 95 % interval, for the number of genuine pairs.
        threshold: pairs at least as similar are accepted.
        false_accepts: impostor pairs accepted.
        impostors: impostor pairs in all.
        far_high: the 95 % upper bound of the rate that was measured: 3 / impostors when none was
            accepted.
        resolved: whether the impostor pairs are enough to measure such a rate: far * impostors
            is at least 1.
    """

    far: float
    tar: float
    low: float
    high: float
    threshold: float
    false_accepts: int
    impostors: int
    far_high: float
    resolved: bool


def pair_similarities(
    embeddings: Any, labels: Any, most: int = 4_000_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of pairs of one identity, and of pairs of two.

    Args:
        embeddings: (N, D), of any length.
        labels: (N,) identities.
        most: pairs of a kind; of more, as many are drawn at random (with replacement).
        seed: of that draw.

    Returns: (genuine, impostor), float32 vectors.

    >>> genuine, impostor = pair_similarities([[1, 0], [1, 0], [0, 1]], [0, 0, 1])
    >>> genuine.tolist(), impostor.tolist()
    ([1.0], [0.0, 0.0])
    """
    x = np.asarray(embeddings, dtype="float32")
    length = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(length > 0, length, 1.0)
    labels = np.asarray(labels).reshape(-1)
    rng = np.random.default_rng(seed)
    if len(x) * (len(x) - 1) // 2 <= 4 * most:
        first, second = np.triu_indices(len(x), 1)
        same = labels[first] == labels[second]
        kinds = [(first[same], second[same]), (first[~same], second[~same])]
        kinds = [_some(pair, most, rng) for pair in kinds]
    else:
        kinds = [_genuine(labels, most, rng), _impostor(labels, most, rng)]
    genuine, impostor = (_cosines(x, *pair) for pair in kinds)
    return genuine, impostor


def roc(genuine: Any, impostor: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The receiver operating characteristic: (FAR, TAR, threshold), from strict to lenient.

    A pair is accepted when its similarity is at least the threshold; one point for each different
    similarity, after the point (0, 0) of an infinite threshold.

    >>> far, tar, threshold = roc([0.9, 0.4], [0.5])
    >>> far.tolist(), tar.tolist()
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    genuine, impostor = _scores(genuine, impostor)
    values = np.unique(np.concatenate([genuine, impostor]))[::-1]
    tar = 1.0 - np.searchsorted(genuine, values, side="left") / len(genuine)
    far = 1.0 - np.searchsorted(impostor, values, side="left") / len(impostor)
    start = np.zeros(1)
    return np.append(start, far), np.append(start, tar), np.append(np.inf, values)


def equal_error_rate(genuine: Any, impostor: Any) -> float:
    """Where as many impostors are accepted as genuine pairs are refused, in [0, 1].

    Between two points of the ROC it is where the line between them crosses FAR = 1 - TAR.

    >>> equal_error_rate([0.9, 0.8], [0.1, 0.2])
    0.0
    """
    far, tar, _ = roc(genuine, impostor)
    gap = far - (1.0 - tar)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0.0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(far[before] + share * (far[after] - far[before]))


def tar_at_far(genuine: Any, impostor: Any, far: float, warn: bool = True) -> Rate:
    """TAR at the least threshold that accepts no more than a share `far` of the impostors.

    The interval is Clopper and Pearson's. It counts pairs as independent; pairs that share an
    image are not, so for few identities it is too narrow.

    Raises:
        ValueError: for no pairs of a kind, similarities that are not finite, or a rate outside
            (0, 1).

    Warns when `far` is below what the pairs can resolve (fewer than 1 / far impostors): the
    threshold then lies above every impostor, and `far_high` says how high the true rate may be.

    >>> tar_at_far([0.9, 0.4], [0.5, 0.3], far=0.5).tar
    1.0
    """
    from scipy.stats import beta

    if not 0.0 < far < 1.0:
        raise ValueError(f"far must lie between 0 and 1, got {far!r}.")
    genuine, impostor = _scores(genuine, impostor)
    allowed = math.floor(far * len(impostor) + 1e-9)
    resolved = allowed >= 1
    if warn and not resolved:
        warnings.warn(
            f"FAR {far:g} needs at least {math.ceil(1 / far):,} impostor pairs, and there are "
            f"{len(impostor):,}: the rate at this threshold is only known to be below "
            f"{_upper(0, len(impostor)):.2g} (95 %).",
            stacklevel=2,
        )
    threshold = _threshold(impostor, allowed)
    accepted = len(genuine) - int(np.searchsorted(genuine, threshold, side="left"))
    false_accepts = len(impostor) - int(np.searchsorted(impostor, threshold, side="left"))
    refused = len(genuine) - accepted
    low = float(beta.ppf(0.025, accepted, refused + 1)) if accepted else 0.0
    high = float(beta.ppf(0.975, accepted + 1, refused)) if refused else 1.0
    return Rate(
        far,
        accepted / len(genuine),
        low,
        high,
        threshold,
        false_accepts,
        len(impostor),
        _upper(false_accepts, len(impostor)),
        resolved,
    )


def lfw_accuracy(similarities: Any, same: Any, folds: Any) -> tuple[float, float]:
    """Accuracy by LFW's protocol: each fold at the threshold that is best on the others.

    Of thresholds that are equally good, the middle of the first such gap between similarities is
    taken.

    Args:
        similarities: (N,) one a pair.
        same: (N,) whether the pair is of one identity.
        folds: (N,) which fold a pair belongs to; two or more of them.

    Returns: (mean over folds, standard error of that mean).

    Source: Huang et al. 2007, Labeled Faces in the Wild: A Database for Studying Face Recognition
        in Unconstrained Environments.

    >>> lfw_accuracy([0.9, 0.1, 0.8, 0.2], [True, False, True, False], [0, 0, 1, 1])
    (1.0, 0.0)
    """
    similarities = np.asarray(similarities, "float64").reshape(-1)
    same, folds = np.asarray(same, bool).reshape(-1), np.asarray(folds).reshape(-1)
    names = np.unique(folds)
    if len(names) < 2 or not len(similarities) == len(same) == len(folds):
        raise ValueError(
            "lfw_accuracy reads similarities, same and folds of one length, with two folds or "
            f"more; got {len(similarities)}, {len(same)} and {len(folds)} in {len(names)} folds."
        )
    right = []
    for name in names:
        held_out = folds == name
        threshold = _best_threshold(similarities[~held_out], same[~held_out])
        right.append(np.mean((similarities[held_out] >= threshold) == same[held_out]))
    return float(np.mean(right)), float(np.std(right, ddof=1) / math.sqrt(len(names)))


def _best_threshold(similarities: np.ndarray, same: np.ndarray) -> float:
    order = np.argsort(similarities, kind="stable")
    values, same = similarities[order], same[order]
    # Threshold i accepts pairs i, i + 1, ...: right are the genuine ones there and impostors before
    right = np.append(0, np.cumsum(~same)) + np.append(np.cumsum(same[::-1])[::-1], 0)
    cuts = np.concatenate([[values[0] - 1.0], (values[:-1] + values[1:]) / 2, [values[-1] + 1.0]])
    possible = np.concatenate([[True], values[1:] > values[:-1], [True]])
    return float(cuts[np.argmax(np.where(possible, right, -1))])


def _threshold(impostor: np.ndarray, allowed: int) -> float:
    """The least similarity that accepts at most `allowed` of the ascending impostors."""
    if allowed >= len(impostor):
        return float(impostor[0])
    # Above the first one that must be refused, and so above all that equal it.
    return float(np.nextafter(impostor[len(impostor) - allowed - 1], np.float32(np.inf)))


def _upper(count: int, total: int) -> float:
    """The 95 % upper bound (one-sided) of a share of which `count` of `total` were seen."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, count + 1, total - count)) if count < total else 1.0


def _scores(genuine: Any, impostor: Any) -> tuple[np.ndarray, np.ndarray]:
    both = []
    for name, values in (("genuine", genuine), ("impostor", impostor)):
        values = np.sort(np.asarray(values, "float32").reshape(-1))
        if not len(values):
            raise ValueError(f"There are no {name} pairs: verification needs pairs of both kinds.")
        if not np.isfinite(values).all():
            raise ValueError(f"Similarities of {name} pairs hold NaN or infinity.")
        both.append(values)
    return both[0], both[1]


def _cosines(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    chunk = 2**16
    parts = [
        np.einsum("nd,nd->n", x[first[i : i + chunk]], x[second[i : i + chunk]])
        for i in range(0, len(first), chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, "float32")


def _some(pair: tuple, most: int, rng: np.random.Generator) -> tuple:
    if len(pair[0]) <= most:
        return pair
    keep = rng.integers(0, len(pair[0]), most)
    return pair[0][keep], pair[1][keep]


def _genuine(labels: np.ndarray, most: int, rng: np.random.Generator) -> tuple:
    """All pairs of one identity, or `most` of them, each as likely as any other."""
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    number = counts.astype("int64") * (counts - 1) // 2
    if number.sum() <= most:
        pairs = [np.add(np.triu_indices(c, 1), s) for s, c in zip(starts, counts, strict=True)]
        first, second = np.concatenate(pairs, axis=1)
        return order[first], order[second]
    group = rng.choice(len(number), most, p=number / number.sum())
    a = rng.integers(0, counts[group])
    b = (a + rng.integers(1, counts[group])) % counts[group]
    return order[starts[group] + a], order[starts[group] + b]


def _impostor(labels: np.ndarray, most: int, rng: np.random.Generator) -> tuple:
    first, second = [], []
    found = 0
    for _ in range(100):
        a, b = rng.integers(0, len(labels), (2, most))
        other = labels[a] != labels[b]
        first.append(a[other])
        second.append(b[other])
        found += int(other.sum())
        if found >= most:
            break
    return np.concatenate(first)[:most], np.concatenate(second)[:most]
