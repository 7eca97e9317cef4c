"""Scenes are made of real digits and photographs that splits do not share, and boxes are tight."""

import itertools

import numpy as np
import pytest
import tensorflow_datasets as tfds

from lossforge.data import digit_scenes
from lossforge.data.digit_scenes import DigitScenes, DigitScenesConfig, scenes
from lossforge.data.photographs import photograph_regions, photographs

COUNTS = {"train": 48, "validation": 24, "test": 24}


def small(**changes):
    counts = {f"{split}_scenes": count for split, count in COUNTS.items()}
    return DigitScenesConfig(**{**counts, "imbalance": 4.0, **changes})


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """What the builder wrote to disk, {split: list of examples}."""
    builder = DigitScenes(config=small(), data_dir=tmp_path_factory.mktemp("scenes"))
    builder.download_and_prepare()
    return {split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in COUNTS}


def test_example_has_a_picture_and_objects(examples):
    for split, count in COUNTS.items():
        assert len(examples[split]) == count
        for example in examples[split]:
            assert example["image"].shape == (96, 96, 3) and example["image"].dtype == np.uint8
            bbox = example["objects"]["bbox"]
            assert 1 <= len(bbox) <= 5 and bbox.shape == (len(bbox), 4)
            assert (0 <= bbox).all() and (bbox <= 1).all() and (bbox[:, :2] < bbox[:, 2:]).all()


def test_digits_are_18_to_40_pixels_long(examples):
    boxes = np.concatenate([e["objects"]["bbox"] for e in examples["train"]]) * 96
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert longer.min() >= 16 and longer.max() <= 42


def test_labels_are_those_of_the_real_digits(examples):
    from sklearn.datasets import load_digits

    target = load_digits().target
    for example in itertools.chain(*examples.values()):
        np.testing.assert_array_equal(
            target[example["objects"]["digit"]], example["objects"]["label"]
        )


def test_splits_share_no_digit(examples):
    used = {s: {d for e in examples[s] for d in e["objects"]["digit"].tolist()} for s in COUNTS}
    assert min(map(len, used.values())) > 20
    for one, other in itertools.combinations(used.values(), 2):
        assert not one & other
    allowed = digit_scenes.split_digits()
    assert sorted(np.concatenate(list(allowed.values()))) == list(range(1797))
    assert all(used[split] <= set(allowed[split]) for split in COUNTS)


def test_splits_share_no_pixel_of_a_photograph(examples):
    for one, other in itertools.combinations(COUNTS, 2):
        mine, theirs = painted(examples[one]), painted(examples[other])
        assert mine.keys() & theirs.keys()
        for name in mine.keys() & theirs.keys():
            assert not (mine[name] & theirs[name]).any(), (name, one, other)


def painted(examples):
    """{photograph: mask of its pixels that the examples show}."""
    masks = {}
    for example in examples:
        crops = example["crops"]
        for name, edges in zip(crops["photograph"], crops["edges"], strict=True):
            name, (left, top, right, bottom) = name.decode(), edges
            image = photographs()[name]
            assert 0 <= left < right <= image.shape[1] and 0 <= top < bottom <= image.shape[0]
            mask = masks.setdefault(name, np.zeros(image.shape[:2], bool))
            mask[top:bottom, left:right] = True
    return masks


@pytest.mark.parametrize("gap", [0, 16, 40])
def test_regions_are_disjoint_with_a_gap(gap):
    regions = photograph_regions(gap)
    for name, image in photographs().items():
        owner = np.full(image.shape[:2], -1)
        for number, split in enumerate(COUNTS):
            for region in regions[split]:
                if region.photograph == name:
                    grown = owner[
                        max(region.top - gap, 0) : region.bottom + gap,
                        max(region.left - gap, 0) : region.right + gap,
                    ]
                    assert (grown == -1).all()
                    region.of(owner)[:] = number
        assert set(np.unique(owner)) >= {0, 1, 2}
        assert (owner >= 0).mean() == 1 if gap == 0 else (owner >= 0).mean() > 0.7


@pytest.mark.parametrize("faint", [False, True])
@pytest.mark.parametrize("ground", [20.0, 128.0, 235.0])
def test_boxes_are_tight_round_the_visible_ink(ground, faint):
    rng = np.random.default_rng(0)
    digits, _ = digit_scenes._digits()
    for digit in rng.choice(len(digits), 40, replace=False):
        canvas = np.full((96, 96, 3), ground)
        alpha = digit_scenes.silhouette(digits[digit], rng.uniform(18, 40), rng)
        box = digit_scenes.write(canvas, alpha, 20, 30, rng, faint)
        change = np.abs(canvas - ground).max(axis=-1)
        strong = change > 0.4 * change.max()
        rows, columns = np.flatnonzero(strong.any(1)), np.flatnonzero(strong.any(0))
        seen = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        np.testing.assert_allclose(box, seen, atol=1)
        assert change.max() > 20  # it can be seen at all


def test_objects_hardly_overlap():
    worst = []
    for scene in scenes("train", 60, 96, 1.0, 3):
        for a, b in itertools.combinations(scene.boxes.astype(float), 2):
            sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
            smaller = min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2]))
            worst.append(np.prod(sides.clip(0)) / smaller)
    assert np.mean(np.array(worst) > digit_scenes.MOST_OVERLAP + 1e-9) < 0.02
    assert max(worst) < 0.5


def test_imbalance_is_the_ratio_of_most_to_least_frequent_in_training_only(examples):
    count = {
        split: np.bincount(np.concatenate([e["objects"]["label"] for e in examples[split]]))
        for split in COUNTS
    }
    assert count["train"].max() / count["train"].min() == pytest.approx(4, rel=0.15)
    assert (np.diff(count["train"]) <= 1).all()  # a tail that falls, up to rounding
    assert np.ptp(count["validation"]) <= 1 and np.ptp(count["test"]) <= 1


def test_a_second_generation_is_identical(examples, tmp_path):
    again = DigitScenes(config=small(), data_dir=tmp_path)
    again.download_and_prepare()
    for split in COUNTS:
        second = list(tfds.as_numpy(again.as_dataset(split=split)))
        for one, other in zip(examples[split], second, strict=True):
            np.testing.assert_array_equal(one["image"], other["image"])
            np.testing.assert_array_equal(one["objects"]["bbox"], other["objects"]["bbox"])
            np.testing.assert_array_equal(one["objects"]["digit"], other["objects"]["digit"])


def test_another_seed_makes_other_scenes():
    one, other = (next(scenes("train", 4, 96, 1.0, seed)) for seed in (0, 1))
    assert (one.image != other.image).any()


def test_scenes_grow_with_the_image_size():
    small_ones, large_ones = (list(scenes("train", 12, size, 1.0, 0)) for size in (64, 192))
    assert large_ones[0].image.shape == (192, 192, 3)
    assert mean_side(large_ones) == pytest.approx(3 * mean_side(small_ones), rel=0.15)


def mean_side(made):
    boxes = np.concatenate([scene.boxes for scene in made])
    return (boxes[:, 2:] - boxes[:, :2]).mean()


@pytest.mark.parametrize("wrong", [{"imbalance": 0.5}, {"image_size": 8}, {"test_scenes": 0}])
def test_config_names_the_value_that_is_wrong(wrong):
    with pytest.raises(ValueError, match=str(*wrong.values())):
        DigitScenesConfig(**wrong)
