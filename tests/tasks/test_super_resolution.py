"""Networks of super-resolution, and a short training through metrics, pictures and export."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lossforge import spec
from lossforge.data.degradations import Degradation
from lossforge.data.photographs import photographs
from lossforge.errors import RecipeError
from lossforge.metrics.image_quality import psnr
from lossforge.recipe import load_recipe
from lossforge.tasks.super_resolution import SuperResolution
from lossforge.tasks.upscalers import build_upscaler
from lossforge.tasks.upscalers.residual import compact, edsr, srresnet
from lossforge.tasks.upscalers.rrdb import rrdb
from lossforge.tasks.upscalers.sub_pixel import SubPixel
from lossforge.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS is not measured")
SMALL = {"train_patches": 640, "batch_size": 8, "patch_size": 32, "epochs": 1}


def test_sub_pixels_are_tensorflows_depth_to_space():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 18)).astype("float32")
    np.testing.assert_array_equal(SubPixel(3)(x), tf.nn.depth_to_space(x, 3))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_networks_enlarge_images_of_any_size(scale):
    for network in (
        compact(scale, 4),
        srresnet(scale, 4, 1),
        edsr(scale, 4, 1, residual_scale=0.1),
        rrdb(scale, 4, 1, 4),
    ):
        for shape in ((1, 8, 11, 3), (2, 9, 5, 3)):
            enlarged = network(np.zeros(shape, "float32")).shape
            assert enlarged == (shape[0], scale * shape[1], scale * shape[2], 3), network.name


def test_networks_are_as_large_as_in_their_papers():
    """EDSR's baseline 1.37 M at x2 (paper: 1.5 M at x4), SRResNet 1.5 M and RRDB 16.7 M at x4."""
    assert build_upscaler("edsr_baseline", 2).count_params() == 1_369_859
    assert round(build_upscaler("srresnet", 4).count_params() / 1e6, 1) == 1.6
    assert build_upscaler("rrdb", 4).count_params() == 16_697_987
    with pytest.raises(RecipeError, match="Did you mean 'srresnet'"):
        build_upscaler("srrresnet", 2)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_compact_network_starts_at_the_bicubic_image(scale):
    task = SuperResolution(compact(scale), scale, perceptual=False)
    low = Degradation(scale).reduce(photographs()["coffee"][:240, :240])[None]
    gap = np.abs(task.predict(low)["image"].astype(int) - task.baseline(low))
    inner = slice(3 * scale, -3 * scale)
    assert gap[:, inner, inner].max() <= 1


def test_losses_read_images_in_zero_to_one():
    task = SuperResolution(compact(2, 4, 1), 2, perceptual=False)
    black, white = np.zeros((1, 16, 16, 3), "uint8"), np.full((1, 16, 16, 3), 255, "uint8")
    for text, worst in (("MAE()", 1.0), ("MSE()", 1.0), ("SSIM()", 0.9999), ("GMSD()", 0.0)):
        loss = task.slots["image"].fit(spec.parse(text))
        for image, expected in ((black, worst), (white, 0.0)):
            reading = task.read(white, image.astype("float32"))["image"][loss.kinds[0]]
            value = float(loss(reading.y_true, reading.y_pred))
            np.testing.assert_allclose(value, expected, atol=1e-6)


@pytest.fixture(scope="module")
def trained():
    recipe = load_recipe("recipes/srresnet.py", SMALL)
    losses = {"image": spec.parse("MAE() + 0.1*SSIM() + 0.01*TotalVariation()")}
    data = recipe.data(0)
    return SimpleNamespace(outcome=train(recipe, losses, data=data), data=data)


def test_a_short_training_is_better_than_bicubic(trained):
    metrics = trained.outcome.metrics
    assert metrics["val_psnr_gain"] > 0.3 and metrics["val_psnr"] > 20
    assert {"terms/image/mae", "terms/image/ssim", "val_ssim"} <= metrics.keys()


def test_the_score_is_that_of_what_is_predicted(trained):
    task, values = trained.outcome.task, []
    for low, high in trained.data.validation:
        values.append(psnr(high, task.predict(low)["image"], border=2))
    np.testing.assert_allclose(np.mean(values), trained.outcome.score, rtol=1e-6)


def test_pictures_show_each_photograph_with_its_numbers(trained):
    pictures = trained.outcome.task.pictures(trained.data.validation)
    assert list(pictures) == ["restored_1", "restored_2", "restored_3"]
    for picture in pictures.values():
        assert picture.dtype == np.uint8 and picture.shape[0] > 192
        assert picture.shape[1] > 5 * 192 and np.all(picture[-1] == 255)


def test_the_saved_model_takes_photographs_of_any_size(trained, tmp_path):
    task = trained.outcome.task
    task.export(tmp_path / "saved")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for height, width in ((20, 31), (300, 451)):
        image = photographs()["cat"][None, :height, :width]
        served = loaded.serve(tf.constant(image))["image"]
        assert served.dtype == tf.uint8 and served.shape == (1, 2 * height, 2 * width, 3)
        plain = np.round(np.clip(task.network.predict(image, verbose=0), 0, 255))
        assert np.abs(served.numpy().astype(int) - plain).max() <= 1
        deployed = task.deployable().predict(image.astype("float32"), verbose=0)["image"]
        np.testing.assert_allclose(deployed, served.numpy(), atol=0.51)
