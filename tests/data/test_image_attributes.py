"""What is measured of a picture, on pictures of which one can say it; and the pairs made of it."""

import numpy as np
import pytest

from lossforge.data.image_attributes import ATTRIBUTES, load_image_attributes, measured_attributes
from lossforge.errors import RecipeError

SIDE = 16


def measured(image):
    found = measured_attributes(np.broadcast_to(image, (SIDE, SIDE, 3)).astype("uint8")[None])
    assert found.shape == (1, len(ATTRIBUTES)) and np.isfinite(found).all()
    return dict(zip(ATTRIBUTES, found[0], strict=True))


def rows(values):
    return np.asarray(values)[:, None, None]


def test_one_colour_has_that_colour_and_no_texture():
    red = measured(np.array([255, 0, 0]))
    expected = {"lightness": 53.24, "green to red": 80.09, "blue to yellow": 67.20}  # CIE 1976
    for name, value in expected.items():
        assert red.pop(name) == pytest.approx(value, abs=0.05)
    assert list(red.values()) == pytest.approx([0.0] * 13, abs=1e-3)


def test_black_over_white_is_darker_above_and_has_edges_across():
    found = measured(rows([0] * 8 + [255] * 8))
    assert found["lightness"] == pytest.approx(50.0, abs=1e-3)
    assert found["spread of lightness"] == pytest.approx(50.0, abs=1e-3)
    assert found["top lighter than bottom"] == pytest.approx(-100.0, abs=1e-3)
    assert found["middle lighter than border"] == pytest.approx(0.0, abs=1e-3)
    assert found["gradients at 90 degrees"] == pytest.approx(1.0)
    assert found["gradients at 0 degrees"] == pytest.approx(0.0)
    assert found["fine texture"] == pytest.approx(2 * 50 / SIDE, abs=1e-3)  # of two rows in 16


def test_fine_stripes_are_no_coarse_texture():
    found = measured(rows([0, 0, 255, 255] * 4))
    assert found["fine texture"] > 10 and found["coarse texture"] == pytest.approx(0.0, abs=1e-4)


def test_a_mirror_image_keeps_all_but_the_directions_that_lean():
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3))
    one, other = measured(picture), measured(picture[:, ::-1])
    kept = [name for name in ATTRIBUTES if "degrees" not in name] + ["gradients at 90 degrees"]
    assert [one[n] for n in kept] == pytest.approx([other[n] for n in kept], abs=1e-3)
    assert one["gradients at 30 degrees"] == pytest.approx(
        other["gradients at 150 degrees"], abs=1e-3
    )


def test_pairs_follow_the_seed_and_each_picture_keeps_its_attributes():
    data = load_image_attributes(batch_size=16, seed=3)
    (images, attributes), nothing = next(iter(data.train))
    assert images.shape == (16, 32, 32, 3) and attributes.shape == (16, 16)
    assert not np.any(nothing)
    (again, _), _ = next(iter(load_image_attributes(batch_size=16, seed=3).train))
    np.testing.assert_array_equal(images, again)
    # A view is lighter where its whole picture is.
    lightness = np.asarray(images).mean((1, 2, 3))
    assert np.corrcoef(lightness, np.asarray(attributes)[:, 0])[0, 1] > 0.95
    assert np.all(data.deviation > 0)


def test_grey_pictures_and_batches_that_are_too_large_are_refused():
    with pytest.raises(RecipeError, match="data=digits is grey"):
        load_image_attributes("digits")
    with pytest.raises(RecipeError, match="between 2 and the 823 pictures"):
        load_image_attributes(batch_size=10_000)
