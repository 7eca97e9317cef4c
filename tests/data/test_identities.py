"""Identities from a folder, a TFDS set and a pairs file, made here from real photographs."""

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from lossforge.data.embedding import load_embedding, stacked
from lossforge.data.identities import read_identities
from lossforge.data.lfw_pairs import read_lfw_pairs, verify_pairs
from lossforge.data.photo_regions import photo_regions
from lossforge.errors import RecipeError

PEOPLE = {"ann": 3, "bob": 1, "cleo": 2, "dan": 4, "eve": 2, "finn": 1}


class TinyFaces(tfds.core.GeneratorBasedBuilder):
    """A set with text labels, as TFDS's lfw has."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        images = photo_regions()["train"][0]
        for number, image in enumerate(images[:16]):
            yield number, {"image": image, "label": f"person{number % 8}"}


class BrokenMeasurements(TinyFaces):
    """Pictures as numbers, one of which is none."""

    def _info(self):
        features = {
            "image": tfds.features.Tensor(shape=(8, 8, 3), dtype=np.float32),
            "label": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self):
        for number in range(6):
            image = np.full((8, 8, 3), np.nan if number == 4 else 9.0, "float32")
            yield number, {"image": image, "label": f"{number}"}


@pytest.fixture
def folder(tmp_path):
    images = iter(photo_regions()["test"][0])
    for name, count in PEOPLE.items():
        (tmp_path / name).mkdir()
        for number in range(1, count + 1):
            file = tmp_path / name / f"{name}_{number:04d}.png"
            keras.utils.save_img(file, next(images), scale=False)
    return tmp_path


def test_a_folder_is_split_by_identity(folder):
    parts = read_identities(str(folder), 20)
    names = [name for part in parts.values() for name in part.names]
    assert sorted(names) == sorted(PEOPLE)
    for part in parts.values():
        assert part.images.shape[1:] == (20, 20, 3) and part.images.dtype == np.uint8
        assert np.bincount(part.labels).tolist() == [PEOPLE[name] for name in part.names]
    again = read_identities(str(folder), 20)
    assert [part.names for part in again.values()] == [part.names for part in parts.values()]


def test_a_folder_with_its_own_splits_keeps_them_and_trains(folder, tmp_path):
    for split, names in (
        ("train", ("ann", "bob", "cleo")),
        ("validation", ("dan",)),
        ("test", ("eve",)),
    ):
        (folder / split).mkdir()
        for name in names:
            (folder / name).rename(folder / split / name)
    data = load_embedding(str(folder), image_size=16, steps_per_epoch=2, evaluation_views=3)
    images, labels = next(iter(data.train))
    assert images.shape == (12, 16, 16, 3) and set(labels.numpy()) == {0, 1, 2}
    assert stacked(data.validation)[0].shape == (4, 16, 16, 3)


def test_a_tfds_set_tests_on_the_second_half_of_its_identities(tmp_path):
    TinyFaces(data_dir=tmp_path).download_and_prepare()
    parts = read_identities("tiny_faces", 12, data_dir=tmp_path)
    assert parts["train"].names == ("person0", "person1", "person2")
    assert len(parts["validation"].names) == 1 and len(parts["test"].names) == 4
    assert np.bincount(parts["test"].labels).tolist() == [2, 2, 2, 2]


def test_the_picture_of_a_tfds_set_that_holds_nan_is_named(tmp_path):
    BrokenMeasurements(data_dir=tmp_path).download_and_prepare()
    with pytest.raises(RecipeError, match=r"image \d of train holds NaN or infinity"):
        read_identities("broken_measurements", 12, data_dir=tmp_path)


def test_pairs_are_read_and_verified_by_folds(folder, tmp_path):
    file = tmp_path / "pairs.txt"
    file.write_text("2 1\nann 1 3\nann 1 bob 1\ndan\t1\t2\ncleo 2 eve 1\n")
    pairs = read_lfw_pairs(file, folder)
    assert [(p.first.stem, p.second.stem, p.same, p.fold) for p in pairs] == [
        ("ann_0001", "ann_0003", True, 0),
        ("ann_0001", "bob_0001", False, 0),
        ("dan_0001", "dan_0002", True, 1),
        ("cleo_0002", "eve_0001", False, 1),
    ]

    def predict(images):
        assert images.shape[1:] == (16, 16, 3)
        return {"embedding": np.ones((len(images), 2), "float32")}

    assert verify_pairs(pairs, predict, 16) == (
        0.5,
        0.0,
    )  # who is equal to all is right half the time


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected '<folds>"),
        ("2 1\nann 1 2\n", "has 1 pairs; its first line promises 2 x 2 x 1"),
        ("1 1\nann 1 bob 1\nann 1 2\n", "line 2: expected 'name 1 4'"),
        ("1 1\nann 1 9\nann 1 bob 1\n", "ann_0009.jpg"),
    ],
)
def test_wrong_pairs_name_their_line(folder, text, message):
    file = folder / "pairs.txt"
    file.write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_lfw_pairs(file, folder)


def test_what_is_no_source_is_named(folder, tmp_path):
    with pytest.raises(RecipeError, match="no such folder"):
        read_identities(str(tmp_path / "missing"), 8)
    with pytest.raises(RecipeError, match="no sub-folders with pictures"):
        read_identities(str(folder / "ann"), 8)
    (folder / "ann" / "ann_0001.png").write_bytes(b"no picture")
    with pytest.raises(RecipeError, match=r"ann_0001\.png can't be read"):
        read_identities(str(folder), 8)
