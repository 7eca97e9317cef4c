"""Photographs are disjoint, degradation is that of the benchmarks, patches stay aligned."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from scipy import ndimage

from lossforge.data.degradations import Degradation, as_uint8, enlarge
from lossforge.data.photographs import photographs
from lossforge.data.super_resolution import TEST, VALIDATION, load_super_resolution
from lossforge.errors import RecipeError


def small(**changes):
    return load_super_resolution(
        **{"train_patches": 32, "batch_size": 8, "patch_size": 32} | changes
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_reduction_is_antialiased_bicubic_as_pillow_does_it(scale):
    image = photographs()["cat"][:240, :360]
    small = Image.fromarray(image).resize((360 // scale, 240 // scale), Image.Resampling.BICUBIC)
    difference = np.abs(Degradation(scale).reduce(image).numpy().astype(int) - np.asarray(small))
    assert difference.max() <= 1


def test_blur_is_a_gaussian():
    image = photographs()["coffee"][:64, :96]
    expected = np.stack(
        [ndimage.gaussian_filter(image[..., c].astype(float), 1.5, radius=4) for c in range(3)], -1
    )
    actual = Degradation(1, blur=1.5).reduce(image).numpy().astype(float)
    assert np.abs(actual - expected).max() < 0.51  # rounded to 8 bits


def test_noise_and_jpeg_are_as_strong_as_asked_and_repeat_with_their_seed():
    grey = np.full((64, 64, 3), 128, "uint8")
    noisy = Degradation(noise=10.0)
    first, again, other = (noisy.spoil(grey, seed).numpy() for seed in ((1, 2), (1, 2), (1, 3)))
    assert abs(first.astype(float).std() - 10.0) < 0.5
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    photograph = photographs()["cat"][:64, :64]
    errors = [
        np.abs(
            Degradation(jpeg=q).spoil(photograph, (0, 0)).numpy().astype(float) - photograph
        ).mean()
        for q in (95, 20)
    ]
    assert 0 < errors[0] < errors[1]


def test_splits_hold_different_photographs():
    data = small(validation_size=None)
    whole = {name: image for name, image in photographs().items()}
    for split, names in (("validation", VALIDATION), ("test", TEST)):
        for name, (_, high) in zip(names, getattr(data, split), strict=True):
            height, width = high.shape[1:3]
            assert np.array_equal(high[0], whole[name][:height, :width])
    held_out = VALIDATION + TEST
    assert len(set(held_out)) == len(held_out) and len(whole) - len(held_out) == 10


def test_patches_are_aligned_and_come_from_photographs_that_were_reduced_whole():
    for scale in (2, 3):
        data = small(degradation=Degradation(scale), patch_size=48)
        for low, high in data.train.take(2):
            assert low.dtype == high.dtype == tf.uint8
            assert high.shape == (8, 48, 48, 3) and low.shape == (8, 48 // scale, 48 // scale, 3)
            again = np.stack([Degradation(scale).reduce(patch) for patch in high])
            inner = slice(3, -3)  # at its border a patch knows less than the photograph
            gap = np.abs(again.astype(int) - low.numpy().astype(int))[:, inner, inner]
            assert gap.max() <= 1


def test_epochs_differ_and_a_seed_repeats_them():
    def two_epochs(seed):
        data = small(seed=seed)
        return [np.concatenate([low for low, _ in data.train]) for _ in range(2)]

    (first, second), (again, _), (other, _) = two_epochs(1), two_epochs(1), two_epochs(2)
    assert first.shape[0] == 32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second) and not np.array_equal(first, other)


def test_validation_noise_is_the_same_each_time():
    data = small(degradation=Degradation(2, noise=20.0))
    first, again = ([low.numpy() for low, _ in data.validation] for _ in range(2))
    assert all(map(np.array_equal, first, again))


def test_baseline_of_an_even_photograph_is_itself():
    flat = np.full((1, 8, 8, 3), 77, "uint8")
    assert np.all(as_uint8(enlarge(flat, 3)).numpy() == 77)


def test_a_folder_of_ones_own(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(10):
        pixels = rng.integers(0, 256, (40 + index, 50, 3), dtype="uint8")
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    data = small(data=str(tmp_path))
    (low, high), (_, last) = next(iter(data.train)), next(iter(data.test))
    assert low.shape == (8, 16, 16, 3) and high.shape == (8, 32, 32, 3)
    assert last.shape == (1, 48, 50, 3)  # 49 rows, cut to an even number
    assert sum(1 for _ in data.validation) == sum(1 for _ in data.test) == 1


def test_folders_named_after_splits(tmp_path):
    for split, shade in (("train", 10), ("val", 20), ("test", 30)):
        (tmp_path / split).mkdir()
        Image.new("RGB", (40, 40), (shade,) * 3).save(tmp_path / split / "a.jpg")
    data = small(data=tmp_path)
    shades = [int(next(iter(d))[1][0, 0, 0, 0]) for d in (data.train, data.validation, data.test)]
    assert shades == [10, 20, 30]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": 33}, "multiple of the scale"),
        ({"batch_size": 0}, "batch_size"),
        ({"train_patches": 4}, "less than batch_size"),
        ({"data": "./nowhere"}, "no such folder"),
        ({"data": "div2"}, "neither a folder nor a set"),
        ({"data": "mnist_corrupt"}, "Did you mean"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(RecipeError, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, "scale must be"),
        ({"blur": -1}, "blur must be"),
        ({"noise": 300}, "noise must be"),
        ({"jpeg": 0}, "jpeg must be"),
        ({"scale": 1}, "Nothing is degraded"),
    ],
)
def test_impossible_degradations_are_named(arguments, message):
    with pytest.raises(RecipeError, match=message):
        Degradation(**arguments)


def test_files_that_cannot_be_used_are_named(tmp_path):
    for index in range(10):
        Image.new("RGB", (40, 40)).save(tmp_path / f"{index}.png")
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(RecipeError, match="0.png can't be read"):
        small(data=tmp_path)
    Image.new("RGB", (40, 20)).save(tmp_path / "0.png")
    with pytest.raises(RecipeError, match="40 x 20 pixels, smaller than patch_size"):
        small(data=tmp_path)


class TinyDiv2k(tfds.core.GeneratorBasedBuilder):
    """Laid out as DIV2K is: hr and lr, a training and a validation split; made here."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None
    FEATURES = ("hr", "lr")

    def _info(self):
        features = {name: tfds.features.Image(shape=(None, None, 3)) for name in self.FEATURES}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(0, 10),
            "validation": self._generate_examples(10, 12),
        }

    def _generate_examples(self, start, stop):
        image = photographs()["coffee"]
        for index in range(start, stop):
            high = image[20 * index : 20 * index + 41, : 60 + index]
            low = high[: 40 // 2 * 2 : 2, : (60 + index) // 2 * 2 : 2]
            yield index, {name: {"hr": high, "lr": low}.get(name, high) for name in self.FEATURES}


class PhotographsOfTests(TinyDiv2k):
    """A set of images, as most are."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None
    FEATURES = ("image",)


def test_a_tfds_set_of_pairs_is_used_as_it_is(tmp_path):
    data = small(data="tiny_div2k", data_dir=tmp_path, patch_size=32)
    low, high = next(iter(data.train))
    assert low.shape == (8, 16, 16, 3) and high.shape == (8, 32, 32, 3)
    # Every second pixel: aligned under flips, of which only some start at an even pixel.
    phases = {(y, x): np.array(high[:, y::2, x::2]) for y in (0, 1) for x in (0, 1)}
    for index, patch in enumerate(low):
        assert any(np.array_equal(patch, phase[index]) for phase in phases.values())
    assert [h.shape[1:3] for _, h in data.test] == [(40, 70), (40, 70)]  # its validation split
    assert sum(1 for _ in data.validation) == 1  # a tenth of its training split
    with pytest.raises(RecipeError, match="brings its own degraded photographs"):
        small(data="tiny_div2k", data_dir=tmp_path, degradation=Degradation(2, noise=3.0))
    larger = small(data="tiny_div2k", data_dir=tmp_path, degradation=Degradation(3), patch_size=24)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not 3 times as large"):
        next(iter(larger.test))


def test_a_tfds_set_of_images_is_degraded(tmp_path):
    data = small(data="photographs_of_tests", data_dir=tmp_path)
    low, high = next(iter(data.test))
    assert np.array_equal(low[0], Degradation(2).reduce(high[0]))
