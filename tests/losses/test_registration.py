"""Images to be aligned: what each loss must not see, and volumes."""

import numpy as np
import pytest

import lossforge
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("window", [3, None])
def test_correlation_does_not_see_a_linear_change_of_intensity(window):
    y = RNG.uniform(0.0, 1.0, (2, 12, 12, 1))
    loss = lossforge.NormalisedCrossCorrelation(window=window, epsilon=1e-9)
    assert np.all(values_of(loss, y, 0.2 + 0.5 * y) < 1e-3)
    assert np.all(values_of(loss, y, 0.9 - 0.5 * y) < 1e-3)
    signed = lossforge.NormalisedCrossCorrelation(window=window, squared=False, epsilon=1e-9)
    assert np.all(values_of(signed, y, 0.9 - 0.5 * y) > 1.999)
    assert np.all(values_of(loss, y, RNG.uniform(0.0, 1.0, y.shape)) > 0.2)


def test_mutual_information_does_not_see_an_exchange_of_intensities():
    y = RNG.integers(0, 3, (2, 16, 16, 1)) / 2.0
    other = np.array([0.5, 1.0, 0.0])[(2 * y).astype(int)]
    loss = lossforge.MutualInformation(bins=16, normalised=False)
    noise = values_of(loss, y, RNG.permutation(y.ravel()).reshape(y.shape))
    shares = np.stack([np.bincount((2 * v).astype(int).ravel()) / v.size for v in y])
    entropy = -(shares * np.log(shares)).sum(axis=1)
    np.testing.assert_allclose(values_of(loss, y, other), -entropy, atol=1e-5)
    assert np.all(noise > -0.2)


def test_mutual_information_pulls_a_shifted_image_back():
    grid = np.arange(32.0)

    def blob(shift):
        squared = (grid[:, None] - 16 - shift) ** 2 + (grid[None] - 16) ** 2
        return np.exp(-squared / 40.0)[None, ..., None]

    for loss in (
        lossforge.MutualInformation(bins=16),
        lossforge.MutualInformation(bins=16, normalised=True),
        lossforge.NormalisedCrossCorrelation(window=9),
    ):
        costs = [values_of(loss, blob(0.0), blob(s))[0] for s in (0.0, 2.0, 4.0, 6.0)]
        assert costs == sorted(costs) and costs[0] < costs[-1] - 0.05


@pytest.mark.parametrize(
    "loss",
    [
        lossforge.NormalisedCrossCorrelation(),
        lossforge.NormalisedCrossCorrelation(window=None),
        lossforge.MutualInformation(bins=8),
        lossforge.MutualInformation(bins=8, normalised=True),
    ],
)
def test_volumes_and_constant_images_are_finite(loss):
    y = RNG.uniform(0.0, 1.0, (2, 5, 6, 7, 1))
    for p in (RNG.uniform(0.0, 1.0, y.shape), np.full(y.shape, 0.5)):
        assert values_of(loss, y, p).shape == (2,)
        assert np.all(np.isfinite(values_of(loss, y, p)))
        assert np.all(np.isfinite(gradient_of(loss, y, p)))
        assert np.all(np.isfinite(gradient_of(loss, np.full(y.shape, 0.5), p)))


def test_translation_is_free_of_diffusion_and_affine_motion_of_bending():
    place = np.stack(np.meshgrid(*[np.arange(5.0)] * 3, indexing="ij"), axis=-1)[None]
    matrix = RNG.normal(size=(3, 3))
    affine = place @ matrix + RNG.normal(size=3)
    still = np.zeros_like(place)
    assert values_of(lossforge.Diffusion(), still, np.full_like(place, 3.0))[0] == 0
    expected = (matrix**2).sum()
    assert values_of(lossforge.Diffusion(), still, affine)[0] == pytest.approx(expected, rel=1e-5)
    assert values_of(lossforge.BendingEnergy(), still, affine)[0] < 1e-8
    saddle = np.zeros_like(place)
    saddle[..., 0] = place[..., 0] * place[..., 1]
    assert values_of(lossforge.BendingEnergy(), still, saddle)[0] == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lossforge.NormalisedCrossCorrelation(window=1), "window"),
        (lambda: lossforge.NormalisedCrossCorrelation(epsilon=0), "epsilon"),
        (lambda: lossforge.MutualInformation(bins=4), "bins"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
