"""Masks: pixels that do not count, empty masks, identities, and what peers get wrong."""

import keras
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

import lossforge
from lossforge.losses.segmentation.distance_maps import distance_to, signed_distance
from lossforge.losses.segmentation.regions import RegionLoss
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(7)


def sigmoid_masks(batch=3, shape=(6, 7, 2)):
    y = RNG.integers(0, 2, (batch, *shape)).astype(float)
    return y, RNG.uniform(0.05, 0.95, (batch, *shape))


def softmax_masks(batch=3, shape=(6, 7), classes=3):
    e = np.exp(RNG.normal(0.0, 2.0, (batch, *shape, classes)))
    return RNG.integers(0, classes, (batch, *shape)), e / e.sum(axis=-1, keepdims=True)


def region_losses(kind=None):
    for cls in lossforge.losses.LOSSES.values():
        if issubclass(cls, RegionLoss) and (kind is None or kind in cls.kinds):
            yield pytest.param(cls, id=cls.__name__)


@pytest.mark.parametrize("cls", [c for c in region_losses("mask") if c.values[0].pools])
def test_masked_pixels_are_as_if_cut_out_of_the_image(cls):
    y, p = sigmoid_masks()
    mask = np.ones(y.shape[:3])
    mask[:, :, 4:] = 0.0
    hidden = p.copy()
    hidden[:, :, 4:] = np.nan
    cut = values_of(cls(), y[:, :, :4], p[:, :, :4])
    for weight in (mask, mask[..., None]):
        np.testing.assert_allclose(values_of(cls(), y, hidden, weight), cut, rtol=1e-5)
    gradient = gradient_of(cls(), y, hidden, mask)
    assert np.all(gradient[:, :, 4:] == 0) and np.all(np.isfinite(gradient))


@pytest.mark.parametrize("cls", region_losses("class_mask"))
def test_ignored_label_equals_a_pixel_mask(cls):
    ids, p = softmax_masks()
    mask = RNG.integers(0, 2, ids.shape).astype(float)
    ignored = np.where(mask == 1, ids, 255)
    hidden = np.where(mask[..., None] == 1, p, np.nan)
    loss = cls(ignore_class=255)
    by_mask = values_of(cls(), ids, p, mask)
    np.testing.assert_allclose(values_of(loss, ignored, hidden), by_mask, rtol=1e-5, atol=1e-7)
    assert np.any(np.abs(by_mask - values_of(cls(), ids, p)) > 1e-6)
    assert np.all(np.isfinite(gradient_of(loss, ignored, hidden)))


@pytest.mark.parametrize("cls", region_losses())
def test_an_image_without_visible_pixels_counts_nothing(cls):
    y, p = softmax_masks() if "class_mask" in cls.kinds else sigmoid_masks()
    label = 255
    y = y.astype(float)
    y[1] = label
    p[1] = np.nan
    loss = cls(ignore_class=label)
    values = values_of(loss, y, p)
    assert values[1] == 0 and np.all(np.isfinite(values))
    assert np.all(gradient_of(loss, y, p)[1] == 0)
    assert float(loss(y, p)) == pytest.approx((values[0] + values[2]) / 2, rel=1e-5)


@pytest.mark.parametrize("cls", region_losses())
def test_spatial_axes_may_be_one_or_three(cls):
    for shape in ((12,), (4, 4, 4)):
        y, p = sigmoid_masks(2, (*shape, 2))
        if "mask" not in cls.kinds:
            y, p = softmax_masks(2, shape)
        assert values_of(cls(), y, p).shape == (2,)
        assert np.all(np.isfinite(gradient_of(cls(), y, p)))


@pytest.mark.parametrize("cls", [c for c in region_losses("mask") if c.values[0].pools])
def test_overlap_of_a_volume_is_that_of_its_pixels_in_a_row(cls):
    y, p = sigmoid_masks(2, (3, 4, 5, 2))
    row = values_of(cls(), y.reshape(2, 60, 2), p.reshape(2, 60, 2))
    np.testing.assert_allclose(values_of(cls(), y, p), row, rtol=1e-5)


@pytest.mark.parametrize("cls", region_losses("class_mask"))
def test_ids_column_ids_and_one_hot_targets_give_equal_values(cls):
    ids, p = softmax_masks()
    expected = values_of(cls(), ids, p)
    np.testing.assert_allclose(values_of(cls(), ids[..., None], p), expected, rtol=1e-5)
    loss = cls(exclusive=True) if "exclusive" in cls().get_config() else cls()
    np.testing.assert_allclose(values_of(loss, np.eye(3)[ids], p), expected, rtol=1e-5)


@pytest.mark.parametrize("cls", region_losses("mask"))
def test_one_channel_masks_need_no_channel_axis_in_the_target(cls):
    y, p = np.zeros((2, 5, 6, 1)), RNG.uniform(0.05, 0.2, (2, 5, 6, 1))
    y[:, 1:4, 1:5] = 1.0
    expected = values_of(cls(), y, p)
    np.testing.assert_allclose(values_of(cls(), y[..., 0], p), expected, rtol=1e-6)
    assert np.any(expected != 0)


@pytest.mark.parametrize("cls", [lossforge.Dice, lossforge.Jaccard, lossforge.Tversky])
def test_empty_mask_costs_nothing_when_predicted_empty_and_has_a_gradient_otherwise(cls):
    y = np.zeros((1, 4, 4, 1))
    assert values_of(cls(), y, y)[0] == 0
    predicted = np.full_like(y, 0.3)
    assert values_of(cls(), y, predicted)[0] > 0.1
    assert np.all(gradient_of(cls(), y, predicted) > 0)
    for empty in (y, predicted):
        assert np.all(np.isfinite(gradient_of(cls(smooth=0.0), y, empty)))
    assert values_of(cls(smooth=0.0), y, y)[0] == 0
    assert values_of(cls(smooth=0.0), y, predicted)[0] == pytest.approx(1.0)


def test_value_of_an_image_does_not_depend_on_the_batch_and_weights_scale_it():
    y, p = sigmoid_masks(4)
    loss = lossforge.Dice()
    values = values_of(loss, y, p)
    assert values.shape == (4,)
    weight = np.array([1.0, 0.0, 0.0, 3.0])
    expected = (values[0] + 3 * values[3]) / 4
    assert float(loss(y, p, weight)) == pytest.approx(expected, rel=1e-5)


def test_tversky_alpha_prices_false_positives_and_beta_false_negatives():
    y, p = [[[1.0], [0.0]]], [[[1.0], [1.0]]]
    assert float(lossforge.Tversky(alpha=1.0, beta=0.0, smooth=0.0)(y, p)) == 0.5
    assert float(lossforge.Tversky(alpha=0.0, beta=1.0, smooth=0.0)(y, p)) == 0.0
    y, p = [[[1.0], [1.0]]], [[[1.0], [0.0]]]
    assert float(lossforge.Tversky(alpha=1.0, beta=0.0, smooth=0.0)(y, p)) == 0.0
    assert float(lossforge.Tversky(alpha=0.0, beta=1.0, smooth=0.0)(y, p)) == 0.5


def test_tversky_contains_dice_and_jaccard():
    y, p = sigmoid_masks()
    for arguments, other in (
        ({"alpha": 0.5, "beta": 0.5, "smooth": 1.0}, lossforge.Dice(smooth=2.0)),
        ({"alpha": 1.0, "beta": 1.0, "smooth": 1.0}, lossforge.Jaccard(smooth=1.0)),
    ):
        expected = values_of(other, y, p)
        np.testing.assert_allclose(
            values_of(lossforge.Tversky(**arguments), y, p), expected, rtol=1e-5
        )
    focal = values_of(lossforge.FocalTversky(gamma=1.0), y, p)
    np.testing.assert_allclose(values_of(lossforge.Tversky(), y, p), focal, rtol=1e-5)


def test_dice_agrees_with_keras_on_one_image():
    y, p = sigmoid_masks(1, (6, 7, 1))
    expected = float(keras.losses.Dice()(y, p))
    assert float(lossforge.Dice(smooth=1e-7)(y, p)) == pytest.approx(expected, rel=1e-5)


def test_dice_of_a_large_half_precision_image_is_finite():
    y = RNG.integers(0, 2, (1, 400, 400, 1)).astype("float16")
    p = RNG.uniform(0.0, 1.0, y.shape).astype("float16")
    exact = values_of(lossforge.Dice(dtype="float64"), y.astype(float), p.astype(float))
    value = values_of(lossforge.Dice(dtype="mixed_float16"), y, p)
    np.testing.assert_allclose(value, exact, rtol=1e-5)


@pytest.mark.parametrize("cls", [lossforge.Dice, lossforge.Jaccard, lossforge.Tversky])
def test_soft_labels_cost_least_when_predicted_exactly(cls):
    y = RNG.uniform(0.1, 0.9, (2, 5, 5, 1))
    assert np.all(np.abs(values_of(cls(), y, y)) < 1e-6)
    assert np.all(values_of(cls(), y, np.round(y)) > 0.1)


def test_class_weight_of_zero_leaves_the_background_out():
    ids, p = softmax_masks()
    loss = lossforge.Dice(class_weight=[0, 1, 1])
    one_hot = np.eye(3)[ids]
    expected = values_of(lossforge.Dice(), one_hot[..., 1:], p[..., 1:])
    np.testing.assert_allclose(values_of(loss, ids, p), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="class_weight has 2 numbers"):
        lossforge.Dice(class_weight=[1, 1])(ids, p)


def test_logits_and_probabilities_agree():
    y, p = sigmoid_masks()
    logits = np.log(p) - np.log1p(-p)
    expected = values_of(lossforge.Dice(), y, p)
    np.testing.assert_allclose(
        values_of(lossforge.Dice(from_logits=True), y, logits), expected, rtol=1e-5
    )
    ids, p = softmax_masks()
    expected = values_of(lossforge.Dice(), ids, p)
    actual = values_of(lossforge.Dice(from_logits=True), ids, np.log(p))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_pooled_counts_every_pixel_of_the_batch_alike():
    y, p = sigmoid_masks(4)
    pooled = lossforge.Pooled(lossforge.Dice())
    expected = values_of(lossforge.Dice(), y.reshape(1, 24, 7, 2), p.reshape(1, 24, 7, 2))
    assert float(pooled(y, p)) == pytest.approx(float(expected[0]), rel=1e-5)
    hidden = p.copy()
    hidden[2:] = np.nan
    half = float(pooled(y[:2], p[:2]))
    assert float(pooled(y, hidden, np.array([1.0, 1.0, 0.0, 0.0]))) == pytest.approx(half, rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(pooled))
    assert float(again(y, p)) == float(pooled(y, p))
    with pytest.raises(ValueError, match="loss of overlap"):
        lossforge.Pooled(lossforge.CrossEntropy())


def test_pooled_reads_ids_and_ignored_pixels():
    ids, p = softmax_masks(4)
    ids[0, :2] = 255
    p[0, :2] = np.nan
    loss = lossforge.Dice(ignore_class=255)
    joined = values_of(loss, ids.reshape(1, 24, 7), p.reshape(1, 24, 7, 3))
    assert float(lossforge.Pooled(loss)(ids, p)) == pytest.approx(float(joined[0]), rel=1e-5)


def test_weights_that_are_not_whole_weigh_pixels_inside_the_sums():
    y, p = sigmoid_masks(1, (4, 4, 1))
    weight = RNG.uniform(0.5, 2.0, (1, 4, 4))
    w = weight[..., None]
    both, sizes = (2 * w * y * p).sum(), (w * (y + p)).sum()
    expected = 1 - (both + 1) / (sizes + 1)
    assert float(lossforge.Dice()(y, p, weight)) == pytest.approx(expected, rel=1e-5)


def test_a_model_of_masks_trains_with_pixel_weights():
    model = keras.Sequential([keras.layers.Conv2D(1, 1, activation="sigmoid")])
    model.compile("sgd", loss=lossforge.Dice())
    x = RNG.normal(size=(4, 6, 6, 1))
    y = (x > 0).astype(float)
    history = model.fit(x, y, sample_weight=np.ones((4, 6, 6)), epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))


def test_lovasz_of_a_hard_prediction_is_one_minus_iou():
    y, _ = sigmoid_masks(4, (6, 7, 1))
    p = RNG.integers(0, 2, y.shape).astype(float)
    inter, union = (y * p).sum((1, 2, 3)), np.maximum(y, p).sum((1, 2, 3))
    np.testing.assert_allclose(values_of(lossforge.Lovasz(), y, p), 1 - inter / union, rtol=1e-5)
    hinge = values_of(lossforge.LovaszHinge(), y, 2 * p - 1)  # errors of 0 or 2
    np.testing.assert_allclose(hinge, 2 * (1 - inter / union), rtol=1e-5)


def test_lovasz_counts_the_classes_that_are_present_or_all():
    p = softmax_masks(1)[1]
    ids = np.zeros((1, 6, 7), int)
    present = values_of(lossforge.Lovasz(), ids, p)[0]
    assert present == pytest.approx((1 - p[..., 0]).mean(), rel=1e-5)
    expected = (present + p[..., 1].max() + p[..., 2].max()) / 3
    assert values_of(lossforge.Lovasz(classes="all"), ids, p)[0] == pytest.approx(
        expected, rel=1e-5
    )


def test_generalised_dice_of_a_large_image_with_a_rare_class_is_not_swallowed_by_smooth():
    ids = np.zeros((1, 128, 128), int)
    ids[0, :2, :2] = 1
    missed = np.eye(3)[np.zeros_like(ids)]
    assert values_of(lossforge.GeneralisedDice(), ids, missed)[0] > 0.3
    assert values_of(lossforge.GeneralisedDice(), ids, np.eye(3)[ids])[0] == pytest.approx(0.0)


def test_wasserstein_dice_forgives_what_is_near():
    near = [[0.0, 1.0, 1.0], [1.0, 0.0, 0.2], [1.0, 0.2, 0.0]]
    ids, taken_for = np.array([[0, 1, 1]]), np.eye(3)[[[0, 2, 2]]]
    values = [values_of(lossforge.WassersteinDice(m), ids, taken_for)[0] for m in (near, None)]
    assert values[0] < 0.5 * values[1]


@pytest.mark.parametrize("shape", [(40,), (9, 33), (3, 20, 18)])
def test_distance_maps_equal_those_of_scipy(shape):
    mask = RNG.uniform(size=(2, *shape, 2)) < 0.1
    mask[..., 0, :] = True
    actual = np.array(distance_to(mask))
    for image in np.ndindex(2, 2):
        one = mask[image[0], ..., image[1]]
        expected = distance_transform_edt(~one)
        np.testing.assert_allclose(actual[image[0], ..., image[1]], expected, rtol=1e-6)


def test_boundary_reads_precomputed_distance_maps():
    y, p = sigmoid_masks()
    maps = np.array(signed_distance(y > 0.5))
    expected = values_of(lossforge.Boundary(), y, p)
    actual = values_of(lossforge.Boundary(precomputed=True), maps, p)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "cls", [lossforge.Boundary, lossforge.HausdorffDistance, lossforge.HausdorffErosion]
)
def test_errors_far_from_the_object_cost_more(cls):
    y = np.zeros((1, 20, 20, 1))
    y[:, 2:6, 2:6] = 1.0
    costs = []
    for size in (2, 4):
        p = y.copy()
        p[:, 14 : 14 + size, 14 : 14 + size] = 1.0
        near = y.copy()
        near[:, 6, 2:6] = 1.0
        costs.append(values_of(cls(), y, p)[0])
        assert costs[-1] >= values_of(cls(), y, near)[0]
    assert costs[1] > costs[0]


def test_cl_dice_of_one_channel_sees_a_gap_in_a_vessel():
    y = np.zeros((1, 15, 15, 1))
    y[:, 6:9] = 1.0
    gap, thin = y.copy(), y.copy()
    gap[:, 6:9, 6:9] = 0.0
    thin[:, 6] = 0.0
    loss = lossforge.ClDice()
    assert values_of(loss, y, y)[0] == pytest.approx(0.0, abs=1e-6)
    assert values_of(loss, y, gap)[0] > 0.05
    dice = lossforge.Dice()
    assert values_of(dice, y, thin)[0] > values_of(dice, y, gap)[0]
    assert values_of(loss, y, thin)[0] < values_of(loss, y, gap)[0]
    assert np.any(gradient_of(loss, y, 0.9 * gap + 0.05) != 0)


def test_auto_seg_with_straight_curves_is_the_soft_iou():
    y, p = sigmoid_masks()
    line = [[0.2, 0.2], [0.5, 0.5], [0.7, 0.7]]
    straight = values_of(lossforge.AutoSeg(intersection=line, union=line), y, p)
    np.testing.assert_allclose(straight, values_of(lossforge.Jaccard(), y, p), rtol=1e-5)


def test_region_mutual_information_sees_structure_that_pixels_alone_do_not():
    y = np.tile([[0.0, 1.0], [1.0, 0.0]], (4, 4))[None, ..., None]
    loss = lossforge.RegionMutualInformation(window=2)
    shifted = np.roll(y, 1, axis=1)
    assert values_of(loss, y, shifted)[0] == pytest.approx(values_of(loss, y, y)[0], abs=1e-5)
    noise = RNG.permutation(y.ravel()).reshape(y.shape)
    assert values_of(loss, y, noise)[0] > values_of(loss, y, y)[0] + 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lossforge.Dice(smooth=-1), "smooth"),
        (lambda: lossforge.Dice(mode="cubic"), "mode"),
        (lambda: lossforge.Dice(class_weight=[0, 0]), "class_weight"),
        (lambda: lossforge.Jaccard(mode=None), "mode"),
        (lambda: lossforge.Tversky(alpha=-0.1), "alpha"),
        (lambda: lossforge.Tversky(beta=float("nan")), "beta"),
        (lambda: lossforge.FocalTversky(gamma=0), "gamma"),
        (lambda: lossforge.FocalTversky(alpha=2), "alpha"),
        (lambda: lossforge.Lovasz(classes="some"), "classes"),
        (lambda: lossforge.GeneralisedDice(weighting="cubic"), "weighting"),
        (lambda: lossforge.WassersteinDice([[0.0, 1.0]]), "square"),
        (lambda: lossforge.WassersteinDice([[0.5, 1.0], [1.0, 0.0]]), "itself"),
        (lambda: lossforge.AutoSeg(union=[[0.5, 0.1], [0.4, 0.2], [0.6, 0.3]]), "union"),
        (lambda: lossforge.HausdorffDistance(alpha=0), "alpha"),
        (lambda: lossforge.HausdorffErosion(erosions=0), "erosions"),
        (lambda: lossforge.ClDice(smooth=0), "smooth"),
        (lambda: lossforge.SkeletonRecall(width=-1), "width"),
        (lambda: lossforge.SensitivitySpecificity(ratio=2), "ratio"),
        (lambda: lossforge.ExponentialLogarithmic(dice_weight=2), "dice_weight"),
        (lambda: lossforge.RegionMutualInformation(window=0), "window"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
