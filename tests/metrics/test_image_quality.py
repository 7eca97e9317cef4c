"""PSNR and SSIM are scikit-image's; MS-SSIM is its paper's, on top of scikit-image's maps."""

import numpy as np
import pytest
from skimage import color, metrics

from lossforge.data.photographs import photographs
from lossforge.metrics.image_quality import (
    gradient_similarity_deviation,
    luminance,
    multi_scale_ssim,
    psnr,
    ssim,
)

WINDOW = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


@pytest.fixture(scope="module")
def pair():
    image = photographs()["cat"][None, 40:140, 60:190]
    noise = np.random.default_rng(0).normal(0, 12, image.shape)
    return image, np.clip(np.round(image + noise), 0, 255).astype("uint8")


def test_brightness_is_that_of_scikit_image(pair):
    expected = color.rgb2ycbcr(pair[0])[..., :1]
    np.testing.assert_allclose(luminance(pair[0]), expected, atol=1e-9)


@pytest.mark.parametrize("border", [0, 4])
def test_psnr_is_that_of_scikit_image(pair, border):
    inner = slice(border, -border or None)
    x, y = (image[0, inner, inner] for image in pair)
    expected = metrics.peak_signal_noise_ratio(x, y)
    np.testing.assert_allclose(psnr(*pair, "rgb", border), [expected], atol=1e-9)
    x, y = color.rgb2ycbcr(x)[..., 0], color.rgb2ycbcr(y)[..., 0]
    expected = metrics.peak_signal_noise_ratio(x, y, data_range=255)
    np.testing.assert_allclose(psnr(*pair, "y", border), [expected], atol=1e-9)


@pytest.mark.parametrize("border", [0, 4])
def test_ssim_is_that_of_scikit_image(pair, border):
    inner = slice(border, -border or None)
    x, y = (image[0, inner, inner] for image in pair)
    expected = metrics.structural_similarity(x, y, channel_axis=-1, **WINDOW)
    np.testing.assert_allclose(ssim(*pair, "rgb", border), [expected], atol=1e-5)
    x, y = color.rgb2ycbcr(x)[..., 0], color.rgb2ycbcr(y)[..., 0]
    expected = metrics.structural_similarity(x, y, data_range=255, **WINDOW)
    np.testing.assert_allclose(ssim(*pair, "y", border), [expected], atol=1e-5)


def test_multi_scale_ssim_is_the_papers_product(pair):
    """Contrast-structure maps from moments by `scipy`, one scale after the other."""
    from scipy.ndimage import correlate1d

    at = np.arange(-5, 6)
    window = np.exp(-0.5 * (at / 1.5) ** 2)
    window /= window.sum()

    def blur(z):
        for axis in (0, 1):
            z = correlate1d(z, window, axis)
        return z[5:-5, 5:-5]

    images = [np.pad(image, ((0, 0), (40, 40), (40, 40), (0, 0)), "symmetric") for image in pair]
    x, y = (color.rgb2ycbcr(image[0])[..., 0] for image in images)
    product, weights = 1.0, (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    for scale, weight in enumerate(weights):
        mx, my = blur(x), blur(y)
        vx, vy, vxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        value = (2 * vxy + 58.5225) / (vx + vy + 58.5225)
        if scale == 4:
            value = value * (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
        product *= value.mean() ** weight
        x, y = (
            z[: len(z) // 2 * 2, : z.shape[1] // 2 * 2].reshape(len(z) // 2, 2, -1, 2).mean((1, 3))
            for z in (x, y)
        )
    np.testing.assert_allclose(multi_scale_ssim(*images), [product], atol=1e-6)


def test_worse_images_have_worse_numbers(pair):
    image, noisy = pair
    mild = ((image.astype(int) + noisy) // 2).astype("uint8")
    for metric, sign in (
        (psnr, 1),
        (ssim, 1),
        (multi_scale_ssim, 1),
        (gradient_similarity_deviation, -1),
    ):
        best, better, worse = (sign * float(metric(image, x)[0]) for x in (image, mild, noisy))
        assert best > better > worse, metric.__name__
    assert psnr(image, image)[0] == np.inf and ssim(image, image)[0] == 1.0


def test_wrong_images_are_named(pair):
    with pytest.raises(ValueError, match="uint8"):
        psnr(pair[0] / 255.0, pair[1])
    with pytest.raises(ValueError, match="border=50 leaves nothing"):
        psnr(*pair, border=50)
    with pytest.raises(ValueError, match="channels must be"):
        psnr(*pair, channels="luma")
