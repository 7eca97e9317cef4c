"""Attention goes where the photograph has edges."""

import numpy as np
import pytest

from lossforge import spec
from lossforge.recipe import load_recipe
from lossforge.tasks.deblurring import Deblurring, edge_attention
from lossforge.tasks.upscalers.residual import compact
from lossforge.training.train import train


def test_an_error_at_an_edge_costs_more_than_one_on_a_flat_place():
    task = Deblurring(compact(1, 4, 1), perceptual=False)
    sharp = np.zeros((1, 8, 8, 3), "uint8")
    sharp[:, :, 4:] = 200
    loss, values = spec.parse("MAE()"), []
    for column in (3, 6):  # next to the edge, far from it
        wrong = sharp.astype("float32")
        wrong[:, :, column] += 50
        reading = task.read(sharp, wrong)["edges"]["regression"]
        values.append(float(loss(reading.y_true, reading.y_pred, reading.sample_weight)))
    assert values[0] > 10 * values[1]


def test_attention_has_mean_one_and_flat_images_count_evenly():
    images = np.random.default_rng(0).uniform(size=(2, 9, 7, 3)).astype("float32")
    np.testing.assert_allclose(np.mean(edge_attention(images), axis=(1, 2)), 1.0, rtol=1e-5)
    assert np.all(edge_attention(np.full((1, 4, 4, 3), 0.3, "float32")) == 1.0)


@pytest.mark.slow
def test_a_short_training_is_better_than_the_blurred_photograph():
    recipe = load_recipe("recipes/deblur.py", {"train_patches": 480, "patch_size": 32, "epochs": 1})
    outcome = train(recipe)
    assert outcome.metrics["val_psnr_gain"] > 0.3
    assert outcome.metrics["terms/edges"] > 0
