"""The embedding task: both ways of learning through one slot, and hard cases without a NaN."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from lossforge import spec
from lossforge.data.embedding import stacked
from lossforge.losses import LOSSES
from lossforge.metrics.verification import pair_similarities, tar_at_far
from lossforge.monitor.projector import write_projector
from lossforge.recipe import load_recipe
from lossforge.search.derived_space import DerivedSpace, candidates
from lossforge.tasks.embedding import Embedding, small_backbone
from lossforge.tasks.embedding_pictures import embedding_map, hardest_confusions
from lossforge.training.export import _served, compare
from lossforge.training.train import fit_slots, train

SMALL = {"data": "digits", "image_size": 8, "classes_per_batch": 5, "steps_per_epoch": 3}


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("recipes/triplet.py", SMALL | {"epochs": 1})


@pytest.fixture(scope="module")
def data(recipe):
    return recipe.data(0)


def fitted(task, text):
    return {"embedding": task.slots["embedding"].fit(spec.parse(text))}


def steps(task, text, images, labels, epochs=2):
    model = task.trainable(fitted(task, text))
    model.compile(optimizer=keras.optimizers.SGD(0.05), run_eagerly=True)
    history = model.fit(images, labels, epochs=epochs, verbose=0).history["loss"]
    return history, task.network.get_weights()


@pytest.mark.parametrize("text", ["Triplet(margin=0.2)", "AdaFace()", "SupCon() + 0.5*ArcFace()"])
def test_one_slot_takes_losses_on_pairs_and_losses_on_a_head(recipe, data, text):
    outcome = train(recipe, {"embedding": spec.parse(text)}, data=data)
    assert outcome.reason is None
    for name in ("recall@1", "recall@5", "r_precision", "map@r", "nmi", "eer", "tar@far=0.001"):
        assert 0 <= outcome.metrics[f"val_{name}"] <= 1


def test_a_head_that_no_loss_reads_is_not_trained(recipe, data):
    task = recipe.task(data)
    trained = task.trainable(fitted(task, "SupCon()")).trainable_weights
    assert not any(w is task.head.directions for w in trained)
    trained = task.trainable(fitted(task, "SupCon() + CosFace()")).trainable_weights
    assert any(w is task.head.directions for w in trained)


def test_the_search_chooses_between_the_two_ways_by_the_loss(recipe, data):
    task = recipe.task(data)
    found = candidates(task.slots, {})
    fitting = found["embedding"]
    kinds = {kind for name in fitting for kind in LOSSES[name].kinds}
    assert {"embedding", "cosine_logits", "cosine_logits_and_length"} <= kinds
    assert set(candidates(task.slots, recipe.candidates)["embedding"]) <= set(fitting)
    space = DerivedSpace(task.slots, found)
    assert space.parameters_of(fit_slots(recipe, task.slots, {}))


@pytest.fixture(scope="module")
def exported(recipe, data, tmp_path_factory):
    task = recipe.task(data)
    path = tmp_path_factory.mktemp("export") / "model"
    task.export(path)
    return task, path


def test_predictions_have_length_one_and_the_export_is_equal(exported, data):
    task, path = exported
    images = next(iter(data.validation))[0][:8]
    found = task.predict(images)
    np.testing.assert_allclose(np.linalg.norm(found["embedding"], axis=1), 1.0, atol=1e-5)
    assert compare(found, _served(path, images)) < 1e-5
    assert compare(found, task.deployable().predict_on_batch(np.asarray(images))) < 1e-5


def test_the_export_verifies_at_the_threshold_of_the_rate(exported, data):
    task, path = exported
    embeddings, labels = task.embed(data.validation)
    rate = tar_at_far(*pair_similarities(embeddings, labels), task.far)
    images = stacked(data.validation)[0][:40]
    loaded = tf.saved_model.load(str(path))
    found = loaded.verify(tf.constant(images[:20]), tf.constant(images[20:]))
    cosines = np.sum(embeddings[:20] * embeddings[20:40], axis=1)
    np.testing.assert_allclose(found["similarity"], cosines, atol=1e-5)
    np.testing.assert_array_equal(found["same"], found["similarity"] >= rate.threshold)
    measured = [float(found[name]) for name in ("threshold", "far", "tar")]
    assert measured == pytest.approx([rate.threshold, task.far, rate.tar])


def test_the_export_finds_what_was_enrolled(exported, data):
    _, path = exported
    images = tf.constant(stacked(data.validation)[0][:6])
    loaded = tf.saved_model.load(str(path))
    assert loaded.search(images, 3)["ids"].shape == (6, 0)  # nothing is enrolled
    ids = tf.constant([50, 51, 52, 53, 54, 2**40], tf.int64)
    assert loaded.enroll(images[:2], ids[:2])["count"] == 2
    assert loaded.enroll(images[2:], ids[2:])["count"] == 6
    found = loaded.search(images, 1)
    np.testing.assert_array_equal(found["ids"][:, 0], ids)
    np.testing.assert_allclose(found["similarity"], 1.0, atol=1e-5)
    assert loaded.search(images, 99)["ids"].shape == (6, 6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one id for each image"):
        loaded.enroll(images, ids[:1])
    assert loaded.clear()["count"] == 0


@pytest.mark.parametrize("text", ["Triplet()", "MultiSimilarity() + 0.1*Circle()"])
@pytest.mark.parametrize(
    "labels", [np.zeros(8), np.arange(8), np.array([0, 0, 0, 0, 0, 0, 0, 1])], ids=str
)
def test_batches_without_pairs_leave_the_weights_finite(text, labels):
    task = Embedding(small_backbone(8, 1, width=4, dimension=3), num_classes=8)
    images = np.random.default_rng(0).uniform(0, 255, (8, 8, 8, 1)).astype("float32")
    losses, weights = steps(task, text, images, labels.astype("int32"))
    assert np.isfinite(losses).all() and all(np.isfinite(w).all() for w in weights)


@pytest.mark.parametrize("text", ["Triplet()", "NCA() + Contrastive() + ArcFace()"])
def test_equal_images_leave_the_weights_finite(text):
    task = Embedding(small_backbone(8, 1, width=4, dimension=3), num_classes=2)
    images, labels = np.full((8, 8, 8, 1), 127.0, "float32"), np.repeat([0, 1], 4)
    losses, weights = steps(task, text, images, labels)
    assert np.isfinite(losses).all() and all(np.isfinite(w).all() for w in weights)


def test_losses_on_pairs_are_also_compared_with_past_batches():
    settings = SMALL | {"epochs": 2, "memory": 64}
    small = load_recipe("recipes/triplet.py", settings)
    loss = spec.parse("2.0*Mined(SupCon(), RandomMiner()) + ArcFace()")
    models = []

    class Keep(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            models.append(self.model)

    outcome = train(small, {"embedding": loss}, callbacks=[Keep()])
    assert outcome.reason is None
    (memory,) = models[0].memories  # ArcFace has none
    assert (memory.loss.name, memory.weight) == ("mined", 2.0)
    assert outcome.metrics["loss"] > outcome.metrics["terms/embedding"]
    assert np.count_nonzero(memory.filled) == 64
    length = np.linalg.norm(memory.memory, axis=1)
    np.testing.assert_allclose(length, 1.0, atol=1e-5)


def test_pictures_and_the_projector_show_the_split(recipe, data, tmp_path):
    task = recipe.task(data)
    pictures = task.pictures(data.validation) | task.final_pictures(data.validation)
    assert set(pictures) == {"embedding_map", "hardest_confusions", "roc"}
    assert all(p.dtype == np.uint8 and p.shape[-1] == 3 for p in pictures.values())
    vectors, labels, images = task.points(data.validation)
    write_projector(tmp_path, vectors, labels, images)
    assert len((tmp_path / "embeddings.tsv").read_text().splitlines()) == len(vectors)
    assert (tmp_path / "labels.tsv").read_text().split() == [str(y) for y in labels]
    sprite = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "sprite.png"))
    side = int(np.ceil(np.sqrt(len(images))))
    assert sprite.shape == (8 * side, 8 * side, 3)
    np.testing.assert_array_equal(sprite[8:16, :8], images[side])  # the first of the second row


def test_the_hardest_confusion_is_the_one_that_is_most_wrong():
    angles = np.array([0.0, 1.0, 0.1, 2.5, 2.6])  # 0 and 2 are near, and of two identities
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    images = np.arange(5, dtype="float32")[:, None, None, None] * np.full((1, 4, 4, 1), 40.0)
    picture = hardest_confusions(embeddings, np.array([0, 0, 1, 2, 2]), images, rows=1)
    assert set(np.unique(picture[6:102, 6:102])) == {0}  # the query is image 0
    assert set(np.unique(picture[6:102, 108:204])) == {80}  # what it is taken for is image 2


def test_equal_embeddings_have_a_map():
    assert embedding_map(np.ones((6, 3)), np.arange(6), np.zeros((6, 4, 4, 1))).shape[-1] == 3


@pytest.mark.parametrize("method", ["t-SNE", pytest.param("UMAP", marks=pytest.mark.slow)])
def test_a_map_shows_whole_identities_in_frames_of_one_colour(method):
    if method == "UMAP":
        pytest.importorskip("umap")
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 4)
    embeddings = rng.normal(size=(40, 8))[labels] + 0.01 * rng.normal(size=(160, 8))
    images = np.zeros((160, 4, 4, 3))
    picture = embedding_map(embeddings, labels, images, most=40, method=method)
    colours, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    shown = {tuple(c) for c in colours.tolist()} - {(255, 255, 255), (0, 0, 0)}
    assert len(shown) == 10 and counts.min() > 0  # a colour for each of ten identities


def test_embeddings_that_have_collapsed_are_told_of(recipe, data):
    task = recipe.task(data)
    for weight in task.network.trainable_variables:
        weight.assign(keras.ops.ones_like(weight) if "beta" in weight.path else 0.0 * weight)
    with pytest.warns(UserWarning, match="the network has collapsed"):
        found = task.evaluate(data.validation)
    assert found["recall@1"] == 0.0


def test_a_training_that_meets_nan_stops_and_its_weights_are_not_kept(recipe, data, tmp_path):
    """Data of a user's own making, which nothing has checked."""
    images, labels = stacked(data.train)
    images[7, 0, 0] = np.nan
    bad = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    file = tmp_path / "checkpoint.npz"
    outcome = train(recipe, data=dataclasses.replace(data, train=bad), checkpoint=file)
    assert outcome.reason.startswith("the loss is nan") and np.isnan(outcome.score)
    assert not file.exists()


def test_an_image_that_is_not_finite_is_named(recipe, data):
    images = np.zeros((3, 8, 8, 1), "float32")
    images[1, 2, 2] = np.nan
    with pytest.raises(ValueError, match="Image 1 of the batch holds NaN"):
        recipe.task(data).predict(images)
