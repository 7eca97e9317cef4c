"""Sets of images compared by the features of a network: FID, KID, inception score."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

TRAINED_ON = {"hed": "edges of BSDS500, from ImageNet", "vgg16": "ImageNet"}


def frechet_distance(real: Any, generated: Any) -> float:
    """Distance of two Gaussians fitted to features: FID, when they are Inception's.

        d = |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))

    Biased upwards for few images: compare sets of one size only, better of thousands.

    Args:
        real: (N, D) features.
        generated: (M, D) features.

    Source: Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule Converge to a Local
    Nash Equilibrium, equation 6.

    >>> round(frechet_distance([[0.0], [2.0]], [[3.0], [5.0]]), 6)
    9.0
    """
    real, generated = _features(real, generated)
    means = real.mean(0) - generated.mean(0)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, generated))
    # The trace of the root of a product is that of the root of a symmetric matrix.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0.0, None)).sum()
    return float(means @ means + np.trace(first) + np.trace(second) - 2.0 * shared)


def kernel_distance(real: Any, generated: Any, degree: int = 3) -> float:
    """Squared maximum mean discrepancy with the kernel (x y / D + 1)^3: KID. Unbiased.

    Near 0, and as often below as above, where both sets come from one distribution.

    Args:
        real: (N, D) features.
        generated: (M, D) features.
        degree: of the kernel.

    Source: Binkowski et al. 2018, Demystifying MMD GANs, section 4.

    >>> round(kernel_distance([[0.0], [0.0]], [[1.0], [1.0]]), 6)
    7.0
    """
    real, generated = _features(real, generated)
    dimension = real.shape[1]

    def mean(x, y, same):
        kernel = (x @ y.T / dimension + 1.0) ** degree
        if not same:
            return kernel.mean()
        return (kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1))

    between = mean(real, generated, False)
    return float(mean(real, real, True) + mean(generated, generated, True) - 2.0 * between)


def inception_score(probabilities: Any, splits: int = 1) -> float:
    """How sure a classifier is of each image, and how varied the classes are; from 1 to C.

        score = exp(mean of KL(p(y | x) || p(y)))

    Args:
        probabilities: (N, C) of a classifier, on generated images.
        splits: parts scored by themselves and averaged; papers take 10.

    Source: Salimans et al. 2016, Improved Techniques for Training GANs, section 4.

    >>> inception_score([[1.0, 0.0], [0.0, 1.0]])
    2.0
    """
    p = np.asarray(probabilities, "float64")
    if p.ndim != 2 or not 1 <= splits <= len(p) or np.any(np.abs(p.sum(1) - 1.0) > 1e-3):
        raise ValueError(
            f"inception_score reads (N, C) probabilities that add up to 1, N >= splits={splits}, "
            f"got shape {p.shape}."
        )
    scores = []
    for part in np.array_split(p, splits):
        ratio = np.where(part > 0, part, 1.0) / np.where(part > 0, part.mean(0), 1.0)
        scores.append(np.exp(np.sum(part * np.log(ratio), axis=1).mean()))
    return float(np.mean(scores))


def image_features(images: Iterable[Any], network: Any = "hed") -> np.ndarray:
    """(N, D) features of images, pooled over places, and a word on stderr on what made them.

    Numbers from different networks cannot be compared, and only those of Inception are the FID and
    KID of papers.

    Args:
        images: batches (B, H, W, 3) uint8.
        network: "hed" or "vgg16" (block5_conv3, see `lossforge.heads.feature_extractor`), or any
            function or Keras model from a float32 batch in 0..255 to (B, D).
    """
    if callable(network):
        name, extract = getattr(network, "name", repr(network)), network
    else:
        name, extract = f"VGG16 ({TRAINED_ON[network]}), not Inception", _pooled_vgg(network)
    print(f"Features of {name}: compare only with numbers of the same network.", file=sys.stderr)
    return np.concatenate([np.asarray(extract(np.asarray(x, "float32"))) for x in images])


def _pooled_vgg(backbone: str) -> Callable[[np.ndarray], np.ndarray]:
    from lossforge.heads.feature_extractor import FeatureExtractor

    extractor = FeatureExtractor(backbone, ("block5_conv3",))
    return lambda images: np.asarray(extractor(images / 255.0)[0]).mean((1, 2))


def _features(real: Any, generated: Any) -> tuple[np.ndarray, np.ndarray]:
    real, generated = np.asarray(real, "float64"), np.asarray(generated, "float64")
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"Features must be (N, D) and (M, D), got {real.shape} and {generated.shape}."
        )
    if min(len(real), len(generated)) < 2:
        raise ValueError("Two images or more are needed on each side to compare sets.")
    return real, generated
