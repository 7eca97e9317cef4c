"""Two encoders: each finds the other's half of a pair, and the export does what the task does."""

import numpy as np
import pytest
import tensorflow as tf

from lossforge import spec
from lossforge.metrics.retrieval import retrieval_metrics
from lossforge.recipe import load_recipe
from lossforge.search.derived_space import candidates
from lossforge.tasks.two_encoders import found_by_attributes
from lossforge.training.export import _served, compare
from lossforge.training.train import train

SMALL = {"image_size": 16, "dimension": 8, "batch_size": 64}


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("recipes/clip_pairs.py", SMALL | {"epochs": 2})


@pytest.fixture(scope="module")
def data(recipe):
    return recipe.data(0)


@pytest.fixture(scope="module")
def trained(recipe, data):
    return train(recipe, data=data)


def test_clip_and_siglip_train(recipe, data, trained):
    siglip = train(recipe, {"views": spec.parse("SigLIP()")}, data=data)
    for outcome in (trained, siglip):
        assert outcome.reason is None
        assert {name for name in outcome.metrics if name.startswith("val_")} == {
            f"val_{what}_recall@{k}" for what in ("image", "attributes") for k in (1, 5)
        }
        assert outcome.metrics["val_image_recall@5"] > 3 * 5 / 334  # thrice as good as chance


def test_recall_is_that_of_the_pairs_own_half(data, trained):
    images, attributes = trained.task.embed(data.validation)
    similar = attributes @ images.T
    places = (similar > np.diag(similar)[:, None]).sum(axis=1)
    assert trained.task.evaluate(data.validation)["image_recall@5"] == pytest.approx(
        np.mean(places < 5), abs=2e-3
    )
    pairs = np.arange(len(images))
    assert retrieval_metrics(images, pairs, images, pairs)["recall@1"] == 1.0


def test_the_search_has_candidates_that_fit(recipe, data):
    found = candidates(recipe.task(data).slots, recipe.candidates)
    assert {"InfoNCE", "SigLIP"} <= set(found["views"])


def test_the_export_finds_images_by_attributes(data, trained, tmp_path):
    task = trained.task
    task.export(tmp_path / "model")
    images, attributes = (np.asarray(part)[:6] for part in next(iter(data.validation)))
    assert compare(task.predict(images), _served(tmp_path / "model", images)) < 1e-5
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    described = task.describe(attributes)
    np.testing.assert_allclose(
        loaded.describe(tf.constant(attributes))["embedding"], described, atol=1e-5
    )
    ids = tf.constant([10, 11, 12, 13, 14, 15], tf.int64)
    assert loaded.enroll(tf.constant(images), ids)["count"] == 6
    found = loaded.search(tf.constant(attributes), 6)
    similar = described @ task.predict(images)["embedding"].T
    np.testing.assert_array_equal(found["ids"], 10 + np.argsort(-similar, axis=1))
    np.testing.assert_allclose(found["similarity"], -np.sort(-similar, axis=1), atol=1e-5)


def test_the_picture_shows_what_was_measured_and_what_is_found():
    embeddings = np.eye(3)
    pictures = np.arange(3)[:, None, None, None] * np.full((1, 96, 96, 3), 40.0)
    picture = found_by_attributes(embeddings, embeddings, pictures, rows=2, found=1)
    assert set(np.unique(picture[6:102, 6:102])) == {0}
    assert set(np.unique(picture[6:102, 108:204])) == {0}  # found first
    half = len(picture) // 2
    assert set(np.unique(picture[half + 6 : half + 102, 108:204])) == {80}
