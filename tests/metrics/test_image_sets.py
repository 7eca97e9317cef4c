"""Distances of image sets, against SciPy's matrix root and loops over pairs."""

import numpy as np
import pytest
from scipy import linalg

from lossforge.data.photographs import photographs
from lossforge.metrics.image_sets import (
    frechet_distance,
    image_features,
    inception_score,
    kernel_distance,
)


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    return rng.normal(size=(50, 6)) @ mixing, rng.normal(0.5, 2.0, (40, 6))


@pytest.mark.parametrize("count", [50, 4])  # with four images the covariance has no inverse
def test_frechet_distance_is_that_of_the_paper(features, count):
    x, y = (f[:count] for f in features)
    product = np.cov(x.T) @ np.cov(y.T)
    root = np.real(linalg.sqrtm(product + 1e-12 * np.eye(6)))
    gap = x.mean(0) - y.mean(0)
    expected = gap @ gap + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)
    np.testing.assert_allclose(frechet_distance(x, y), expected, rtol=1e-4)
    assert abs(frechet_distance(x, x)) < 1e-6


def test_kernel_distance_is_a_sum_over_pairs(features):
    x, y = features

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / 6 + 1) ** 3

    same = [
        np.mean([kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j])
        for z in (x, y)
    ]
    expected = sum(same) - 2 * np.mean([kernel(a, b) for a in x for b in y])
    np.testing.assert_allclose(kernel_distance(x, y), expected, rtol=1e-9)


def test_kernel_distance_of_one_distribution_is_zero_on_average():
    rng = np.random.default_rng(0)
    values = [
        kernel_distance(rng.normal(size=(10, 4)), rng.normal(size=(10, 4))) for _ in range(300)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)


def test_inception_score_is_the_mean_divergence():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    total = 0.0
    for row in p:
        total += sum(a * np.log(a / b) for a, b in zip(row, p.mean(0), strict=True))
    np.testing.assert_allclose(inception_score(p), np.exp(total / 20))
    halves = [inception_score(p[:10]), inception_score(p[10:])]
    np.testing.assert_allclose(inception_score(p, splits=2), np.mean(halves))


def test_blurred_photographs_are_further_away_than_noisy_copies(capsys):
    image = photographs()["coffee"]
    crops = [image[y : y + 32, x : x + 32] for y in range(0, 256, 64) for x in range(0, 256, 64)]
    real = np.stack(crops[:6])
    blurred = np.stack([c[::4, ::4].repeat(4, 0).repeat(4, 1) for c in crops[:6]])
    near = np.clip(real.astype(int) + 1, 0, 255).astype("uint8")
    found = [image_features([x]) for x in (real, near, blurred)]
    assert "VGG16 (edges of BSDS500, from ImageNet), not Inception" in capsys.readouterr().err
    near_distance, far_distance = (frechet_distance(found[0], other) for other in found[1:])
    assert near_distance < 0.1 * far_distance


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="Features must be"):
        frechet_distance(np.ones((3, 2)), np.ones((3, 4)))
    with pytest.raises(ValueError, match="Two images"):
        kernel_distance(np.ones((1, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="add up to 1"):
        inception_score(np.ones((3, 2)))
