"""P x K batches, views, photo regions: the same from the same seed, and what they promise."""

import numpy as np
import pytest
import tensorflow as tf

from lossforge.data.balanced_batches import balanced_batches
from lossforge.data.embedding import load_embedding, stacked
from lossforge.data.image_views import Views
from lossforge.data.photo_regions import HELD_OUT, photo_regions
from lossforge.errors import RecipeError

LABELS = np.array([4, 4, 4, 4, 4, 9, 9, 1, 7, 7, 7])  # identity 1 has one image


def test_a_batch_has_p_classes_with_k_examples_each():
    for batch in balanced_batches(LABELS, 3, 2, steps=20).as_numpy_iterator():
        classes = LABELS[batch].reshape(3, 2)
        assert (classes == classes[:, :1]).all()
        assert len(set(classes[:, 0])) == 3


def test_a_class_gives_all_it_has_before_any_example_comes_again():
    seen = set()
    for batch in balanced_batches(LABELS, 4, 4, steps=30).as_numpy_iterator():
        for group in batch.reshape(4, 4):
            label = LABELS[group[0]]
            members = int(np.sum(LABELS == label))
            assert len(set(group)) == min(4, members)
            seen |= set(group)
    assert seen == set(range(len(LABELS)))


def test_all_classes_come_before_one_comes_again():
    batches = list(balanced_batches(np.arange(12), 4, 1, steps=6).as_numpy_iterator())
    for pair in (batches[:3], batches[3:]):
        assert sorted(np.concatenate(pair)) == list(range(12))


def test_batches_follow_the_seed_and_differ_from_pass_to_pass():
    def passes(seed):
        data = balanced_batches(LABELS, 2, 2, steps=5, seed=seed)
        return [np.stack(list(data.as_numpy_iterator())) for _ in range(2)]

    first, second = passes(3)
    again = passes(3)
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
    assert (first != second).any() and (first != passes(4)[0]).any()


def test_one_identity_only_is_refused():
    with pytest.raises(RecipeError, match="has 1 identity"):
        balanced_batches(np.zeros(5), 2, 2, steps=1)
    with pytest.raises(RecipeError, match="examples_per_class must be a whole number from 1"):
        balanced_batches(LABELS, 2, 0, steps=1)


def test_regions_of_a_photograph_are_in_one_split():
    seen = {s: {name.split()[0] for name in names} for s, (_, names) in photo_regions().items()}
    assert not seen["train"] & (seen["validation"] | seen["test"])
    assert not seen["validation"] & seen["test"]
    assert seen["test"] == set(HELD_OUT["test"])


def test_views_that_change_nothing_are_the_picture():
    still = Views(least_crop=1.0, flip=False, brightness=0, contrast=0, colour=0, noise=0)
    image = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(still(tf.constant(image), 8, tf.constant([1, 2])), image, atol=1e-3)


def test_views_follow_the_seed_and_stay_in_range():
    image = tf.constant(photo_regions()["train"][0][:6])
    one, again, other = (Views()(image, 32, tf.constant(s)) for s in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(one, again)
    assert (one.numpy() != other.numpy()).any()
    assert one.shape == (6, 32, 32, 3)
    assert one.numpy().min() >= 0 and one.numpy().max() <= 255


def test_photo_regions_load_the_same_from_the_same_seed():
    def load(seed):
        return load_embedding(classes_per_batch=4, steps_per_epoch=2, seed=seed)

    data = load(1)
    images, labels = next(iter(data.train))
    assert images.shape == (16, 32, 32, 3) and labels.shape == (16,)
    assert int(data.train.cardinality()) == 2
    np.testing.assert_array_equal(images, next(iter(load(1).train))[0])
    x, y = stacked(data.validation)
    np.testing.assert_array_equal(x, stacked(load(2).validation)[0])
    assert (np.bincount(y) == 4).all() and len(np.unique(x[:4], axis=0)) == 4


@pytest.mark.parametrize(("source", "classes"), [("digits", 10), ("lfw_subset", 2)])
def test_closed_sets_have_every_identity_in_every_split(source, classes):
    data = load_embedding(source, image_size=24, steps_per_epoch=1, classes_per_batch=2)
    assert data.num_classes == classes and data.channels == 1
    parts = [stacked(part) for part in (data.validation, data.test)]
    assert all(len(np.unique(y)) == classes for _, y in parts)
    assert not {x.tobytes() for x in parts[0][0]} & {x.tobytes() for x in parts[1][0]}


def test_an_unknown_source_is_named():
    with pytest.raises(RecipeError, match="data=nowhere/at_all"):
        load_embedding("nowhere/at_all")


def test_a_batch_of_one_identity_is_refused():
    with pytest.raises(RecipeError, match="classes_per_batch must be a whole number from 2"):
        load_embedding(classes_per_batch=1)


class TestArrays:
    """A .npz file of pictures."""

    @pytest.fixture
    def write(self, tmp_path):
        def write(images, labels, **others):
            np.savez(tmp_path / "faces.npz", images=images, labels=labels, **others)
            return tmp_path / "faces.npz"

        return write

    def test_its_identities_are_shared_out(self, write):
        labels = np.array([9, 9, 8, 7, 6, 6, 5, 5, 5, 4])  # 8, 7 and 4 have one image
        images = np.broadcast_to(labels[:, None, None] * 20.0, (10, 12, 10))
        data = load_embedding(write(images, labels), image_size=8, steps_per_epoch=2)
        assert data.num_classes == 4 and data.channels == 3  # 60 % of six identities
        batches = [stacked([batch]) for batch in data.train]
        assert {len(images) for images, _ in batches} == {16}
        assert all((np.bincount(y) == 4).all() for _, y in batches)
        held_out = [stacked(part)[1] for part in (data.validation, data.test)]
        assert [len(np.unique(y)) for y in held_out] == [1, 1]

    def test_the_image_with_nan_is_named(self, write):
        images = np.zeros((6, 4, 4, 3), "float32")
        images[3, 0, 0, 0] = np.nan
        with pytest.raises(RecipeError, match=r"faces.npz: image 3 holds NaN or infinity"):
            load_embedding(write(images, np.arange(6)))

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (np.full((5, 4, 4), 300.0), np.arange(5), "image 0 lies in 300..300; expected 0..255"),
            (np.zeros((5, 4, 4, 2)), np.arange(5), r"got \(5, 4, 4, 2\) and \(5,\)"),
            (np.zeros((5, 4, 4)), np.arange(4), r"got \(5, 4, 4, 1\) and \(4,\)"),
            (np.zeros((4, 4, 4)), np.arange(4), "has 4 identities with pictures"),
        ],
    )
    def test_what_does_not_fit_is_named(self, write, images, labels, message):
        with pytest.raises(RecipeError, match=message):
            load_embedding(write(images, labels))

    def test_a_file_without_labels_is_named(self, tmp_path):
        np.savez(tmp_path / "x.npz", images=np.zeros((2, 2, 2)))
        with pytest.raises(RecipeError, match="must hold two arrays"):
            load_embedding(tmp_path / "x.npz")
        (tmp_path / "y.npz").write_text("no archive")
        with pytest.raises(RecipeError, match="can't be read as a .npz file"):
            load_embedding(tmp_path / "y.npz")
