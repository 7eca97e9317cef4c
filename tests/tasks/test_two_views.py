"""Learning from two views: gradients reach both, the probe judges features, the export has them."""

import keras
import numpy as np
import pytest

from lossforge import spec
from lossforge.data.image_views import Views
from lossforge.data.two_views import load_two_views
from lossforge.errors import RecipeError
from lossforge.metrics.linear_probe import linear_probe
from lossforge.recipe import load_recipe
from lossforge.training.export import _served, compare
from lossforge.training.train import train


def test_one_epoch_gives_probes_an_annealed_temperature_and_an_equal_export(tmp_path):
    recipe = load_recipe(
        "recipes/simclr.py", {"image_size": 8, "epochs": 1, "final_temperature": 0.1}
    )
    data = recipe.data(0)
    outcome = train(recipe, data=data)
    assert outcome.reason is None
    assert 0.3 < outcome.metrics["val_probe@5"] <= outcome.metrics["val_probe"] <= 1
    assert 0.1 < outcome.metrics["parameters/views.temperature"] < 0.2
    images = next(iter(data.validation))[0]
    outcome.task.export(tmp_path / "model")
    assert compare(outcome.task.predict(images), _served(tmp_path / "model", images)) < 1e-5


def test_the_gradient_reaches_both_views():
    recipe = load_recipe("recipes/simclr.py", {"image_size": 8})
    task = recipe.task(recipe.data(0))
    first, second = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    reading = task.read(None, {"first": first, "second": second})["views"]["views"]
    loss = spec.parse("NTXent()")
    value = float(loss(reading.y_true, reading.y_pred))
    for view in (first, second):
        view[0] += 0.1
        assert float(loss(reading.y_true, reading.y_pred)) != pytest.approx(value)
        view[0] -= 0.1
    assert keras.ops.shape(task.network.output["first"])[1:] == (64,)


def test_views_of_a_pair_are_of_one_picture():
    still = Views(least_crop=1.0, flip=False, brightness=0, contrast=0, colour=0, noise=0)
    data = load_two_views("digits", image_size=8, batch_size=16, views=still)
    views, _ = next(iter(data.train))
    assert views.shape == (16, 2, 8, 8, 1)
    np.testing.assert_array_equal(views[:, 0], views[:, 1])
    assert len(np.unique(views[:, 0].numpy().reshape(16, -1), axis=0)) == 16
    varied = next(iter(load_two_views("digits", image_size=8, batch_size=16).train))[0]
    assert (varied[:, 0] != varied[:, 1]).numpy().any(axis=(1, 2, 3)).all()


def test_a_source_whose_classes_differ_by_split_cannot_be_probed():
    with pytest.raises(RecipeError, match="that are not in train"):
        load_two_views("photo_regions")
    with pytest.raises(RecipeError, match="batch_size must lie between"):
        load_two_views("digits", batch_size=5000)


def test_a_probe_of_few_labels_is_the_mean_over_draws():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 50)
    x = rng.normal(size=(150, 4)) + np.eye(3, 4)[labels] * 4
    few = linear_probe(x, labels, x, labels, labels_per_class=1)
    assert 1 / 3 < few < linear_probe(x, labels, x, labels)
    assert few == linear_probe(x, labels, x, labels, labels_per_class=1)
