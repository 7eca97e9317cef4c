"""Box losses: what the conformance kit cannot see."""

import numpy as np
import pytest

import lossforge
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(0)


def boxes(n=50, size=1.0):
    corner = RNG.uniform(0.0, 0.6, (n, 2))
    return size * np.concatenate([corner, corner + RNG.uniform(0.1, 0.4, (n, 2))], axis=-1)


A, B = boxes(), boxes()
FAMILY = ("IoU", "GIoU", "DIoU", "CIoU")


@pytest.mark.parametrize("penalty", ["none", "giou", "diou", "ciou"])
def test_alpha_of_1_and_ratio_of_1_are_the_plain_losses(penalty):
    plain = getattr(
        lossforge, dict(zip(("none", "giou", "diou", "ciou"), FAMILY, strict=True))[penalty]
    )
    for bent in (
        lossforge.AlphaIoU(alpha=1.0, penalty=penalty),
        lossforge.InnerIoU(ratio=1.0, penalty=penalty),
    ):
        for of in (values_of, gradient_of):
            np.testing.assert_allclose(of(bent, A, B), of(plain(), A, B), rtol=1e-4, atol=1e-5)


def test_siou_is_finite_where_centres_coincide():
    inside = np.array([[0.2, 0.2, 0.8, 0.8]])
    outside = np.array([[0.1, 0.0, 0.9, 1.0]])
    assert np.all(np.isfinite(gradient_of(lossforge.SIoU(), inside, outside)))
    assert np.all(np.isfinite(gradient_of(lossforge.SIoU(), inside, inside)))


def test_inner_iou_of_a_larger_ratio_pulls_boxes_that_do_not_touch():
    left, right = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[1.2, 0.0, 2.2, 1.0]])
    assert np.all(gradient_of(lossforge.IoU(), left, right) == 0)
    assert gradient_of(lossforge.InnerIoU(ratio=1.5), left, right)[0, 0] > 0


@pytest.mark.parametrize("found", ["A", "B"])
def test_the_searched_box_losses_do_not_depend_on_the_unit(found):
    ratio = lossforge.AutoBox(found)
    np.testing.assert_allclose(
        values_of(ratio, 640 * A, 640 * B), values_of(ratio, A, B), rtol=1e-4
    )


@pytest.mark.parametrize("found", ["A", "B"])
def test_the_searched_box_losses_in_pixels_tend_to_their_ratios(found):
    """At 10^4 square pixels the relative difference is 1e-3 or less."""
    a, b = np.array([[0.0, 0.0, 100.0, 100.0]]), np.array([[5.0, 10.0, 120.0, 90.0]])
    ratio = values_of(lossforge.AutoBox(found), a, b)
    pixel = values_of(lossforge.AutoBox(found, units="pixel"), a, b)
    assert ratio == pytest.approx(pixel, rel=1e-3)
    assert not np.array_equal(ratio, pixel)


def test_wiou_holds_the_hull_constant():
    """Otherwise a larger hull would lower the loss."""
    a, b = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[3.0, 3.0, 4.0, 4.0]])
    gradient = gradient_of(lossforge.WIoU(), a, b)[0]
    assert np.all(gradient > 0)  # all corners towards the target
    assert gradient == pytest.approx(np.full(4, np.exp(18 / 32) * 3 / 32), rel=1e-5)


@pytest.mark.parametrize("name", ["AlphaIoU", "SIoU", "MPDIoU", "NWD", "WIoU", "AutoBox"])
def test_batches_of_boxes_are_compared_pair_by_pair(name):
    """Not each with each, whose diagonal is another value for batched input."""
    loss = getattr(lossforge, name)()
    together = values_of(loss, A.reshape(5, 10, 4), B.reshape(5, 10, 4))
    np.testing.assert_allclose(together.ravel(), values_of(loss, A, B), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("AlphaIoU", {"alpha": 0.0}, "alpha must be a number at least 0.1, got 0.0"),
        ("AlphaIoU", {"penalty": "x"}, "penalty must be one of 'none', .*got 'x'"),
        ("InnerIoU", {"ratio": -1.0}, "ratio must be"),
        ("SIoU", {"theta": 0.5}, "theta must be"),
        ("ShapeIoU", {"scale": -1.0}, "scale must be"),
        ("MPDIoU", {"image_size": 640}, "image_size must be"),
        ("MPDIoU", {"image_size": (0.0, 1.0)}, "image_size must be"),
        ("BoundedIoU", {"beta": 0.0}, "beta must be"),
        ("NWD", {"scale": 0.0}, "scale must be"),
        ("AutoBox", {"found": "C"}, "found must be"),
        ("AutoBox", {"units": "metres"}, "units must be"),
    ],
)
def test_bad_arguments_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(lossforge, name)(**arguments)


ROTATED = ("RotatedGWD", "RotatedKLD", "KFIoU", "ProbIoU")


@pytest.mark.parametrize("name", ROTATED)
def test_a_rotated_box_has_no_seam(name):
    """Turned by pi, or by pi / 2 with its sides swapped, it is the same box."""
    box = np.array([[0.5, 0.4, 0.3, 0.1, 0.2]])
    other = np.array([[0.6, 0.4, 0.2, 0.2, 1.0]])
    loss = getattr(lossforge, name)(dtype="float64")
    for same in ([0.5, 0.4, 0.3, 0.1, 0.2 + np.pi], [0.5, 0.4, 0.1, 0.3, 0.2 - np.pi / 2]):
        np.testing.assert_allclose(values_of(loss, box, np.array([same])), 0.0, atol=1e-6)
        expected = values_of(loss, other, box)
        np.testing.assert_allclose(values_of(loss, other, np.array([same])), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ROTATED)
def test_a_square_has_no_angle(name):
    square = np.array([[0.5, 0.5, 0.2, 0.2, 0.3]])
    turned = np.array([[0.5, 0.5, 0.2, 0.2, 1.1]])
    assert values_of(getattr(lossforge, name)(), square, turned) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("name", ROTATED)
def test_equal_rotated_boxes_have_a_finite_slope(name):
    box = np.array([[0.5, 0.4, 0.3, 0.1, 0.2]])
    for mode in getattr(lossforge, name).search["mode"].options:
        assert np.all(np.isfinite(gradient_of(getattr(lossforge, name)(mode=mode), box, box)))


@pytest.mark.parametrize("name", ["RotatedKLD", "KFIoU", "ProbIoU"])
def test_rotated_boxes_are_compared_in_any_unit(name):
    a, b = np.array([[0.5, 0.4, 0.3, 0.1, 0.2]]), np.array([[0.6, 0.5, 0.2, 0.2, 1.0]])
    scale = np.array([100.0, 100.0, 100.0, 100.0, 1.0])
    loss = getattr(lossforge, name)()
    np.testing.assert_allclose(
        values_of(loss, a * scale, b * scale), values_of(loss, a, b), rtol=1e-4
    )


def test_rotated_losses_ask_for_five_numbers():
    with pytest.raises(ValueError, match="RotatedKLD reads .* angle; got predictions of"):
        lossforge.RotatedKLD()(A, B)


@pytest.mark.parametrize("name", ROTATED)
def test_unknown_modes_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: mode must be one of .* got 'cosine'"):
        getattr(lossforge, name)(mode="cosine")


def test_focal_eiou_never_pushes_a_box_away():
    """With the gradient of its factor, boxes of little overlap would be pushed apart."""
    a, b = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[0.9, 0.9, 1.9, 1.9]])
    pull = gradient_of(lossforge.EIoU(), a, b)
    focal = gradient_of(lossforge.FocalEIoU(gamma=0.5), a, b)
    np.testing.assert_allclose(focal, (0.01 / 1.99) ** 0.5 * pull, rtol=1e-4)


def test_focal_eiou_of_gamma_0_is_eiou():
    plain = values_of(lossforge.EIoU(), A, B)
    touching = values_of(lossforge.IoU(), A, B) < 1
    focal = values_of(lossforge.FocalEIoU(gamma=0.0), A, B)
    np.testing.assert_allclose(focal[touching], plain[touching], rtol=1e-6)
