"""What the conformance kit cannot see of the losses of images."""

import keras
import numpy as np
import pytest

import lossforge
from lossforge.testing import gradient_of, values_of


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    y_true = rng.uniform(size=(2, 24, 20, 3))
    return y_true, np.clip(y_true + rng.normal(0.0, 0.2, y_true.shape), 0.0, 1.0)


def test_ssim_equals_that_of_tensorflow(images):
    import tensorflow as tf

    y_true, y_pred = (x.astype("float32") for x in images)
    expected = 1.0 - tf.image.ssim(y_true, y_pred, 1.0).numpy()
    np.testing.assert_allclose(values_of(lossforge.SSIM(), y_true, y_pred), expected, atol=1e-5)


def test_multi_scale_ssim_equals_that_of_tensorflow():
    import tensorflow as tf

    rng = np.random.default_rng(1)
    y_true = rng.uniform(size=(1, 176, 176, 1)).astype("float32")
    y_pred = np.clip(y_true + rng.normal(0.0, 0.2, y_true.shape), 0.0, 1.0).astype("float32")
    expected = 1.0 - tf.image.ssim_multiscale(y_true, y_pred, 1.0).numpy()
    actual = values_of(lossforge.MultiScaleSSIM(), y_true, y_pred)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_multi_scale_ssim_has_a_finite_gradient_on_anti_correlated_images(images):
    loss = lossforge.MultiScaleSSIM(scale_weights=[0.3, 0.3, 0.4])
    gradient = gradient_of(loss, images[0], 1.0 - images[0])
    assert np.all(np.isfinite(gradient)) and values_of(loss, images[0], 1.0 - images[0])[0] > 0.9


def test_multi_scale_ssim_refuses_images_without_that_many_scales():
    small = np.zeros((1, 8, 8, 3))
    with pytest.raises(ValueError, match="16 pixels or more"):
        lossforge.MultiScaleSSIM()(small, small)


def test_ssim_of_a_volume_of_equal_slices_is_that_of_a_slice(images):
    volumes = [np.repeat(x[:, None], 4, axis=1) for x in images]
    loss = lossforge.SSIM(window_size=5)
    np.testing.assert_allclose(values_of(loss, *volumes), values_of(loss, *images), atol=1e-5)


def test_ssim_of_bright_flat_images_is_not_decided_by_rounding():
    flat = np.full((1, 16, 16, 1), 1e4)
    assert abs(values_of(lossforge.SSIM(), flat, flat + 1.0)[0]) < 1e-4


def test_focal_frequency_without_focus_is_the_squared_error_of_pixels(images):
    expected = np.mean(np.square(images[0] - images[1]), axis=(1, 2, 3))
    actual = values_of(lossforge.FocalFrequency(alpha=0.0), *images)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_a_shift_does_not_change_amplitudes(images):
    loss = lossforge.Fourier(compare="amplitude")
    shifted = np.roll(images[0], (3, 5), axis=(1, 2))
    np.testing.assert_allclose(values_of(loss, images[0], shifted), 0.0, atol=1e-6)
    assert values_of(lossforge.Fourier(), images[0], shifted)[0] > 0.1


def test_total_variation_does_not_grow_with_the_image():
    stripes = np.tile([[0.0], [1.0]], (1, 16, 16, 1))[..., :1]
    values = [values_of(lossforge.TotalVariation(), 0.0, stripes[:, :n])[0] for n in (8, 16)]
    assert values[0] == pytest.approx(values[1], rel=0.1)


def test_gmsd_has_a_finite_gradient_where_square_roots_are_of_zero(images):
    flat = np.full_like(images[0], 0.5)
    for pair in ((images[0], images[0]), (flat, flat), (images[0], flat)):
        assert np.all(np.isfinite(gradient_of(lossforge.GMSD(), *pair)))


def test_focal_frequency_says_which_patches_do_not_fit(images):
    with pytest.raises(ValueError, match="patches=7"):
        lossforge.FocalFrequency(patches=7)(*images)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lossforge.SSIM(window_size=0), "window_size"),
        (lambda: lossforge.SSIM(padding="same"), "'same'"),
        (lambda: lossforge.MultiScaleSSIM(scale_weights=[]), "scale_weights"),
        (lambda: lossforge.TotalVariation(mode="l1"), "'l1'"),
        (lambda: lossforge.ImageGradient(operator="prewitt"), "'prewitt'"),
        (lambda: lossforge.Fourier(power=3), "3"),
        (lambda: lossforge.Charbonnier(epsilon=0.0), "epsilon"),
        (lambda: lossforge.GMSD(stability=0.0), "stability"),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_ssim_trains_a_network_of_unknown_image_size():
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("sgd", lossforge.SSIM())
    images = np.random.default_rng(2).uniform(size=(2, 16, 16, 3))
    assert np.isfinite(model.fit(images, images, verbose=0).history["loss"][0])
