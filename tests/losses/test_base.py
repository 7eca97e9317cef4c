"""What the base promises for every loss: labels, masks, weights, reduction, names."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.losses.base import align


class Identity(lossforge.Loss):
    """The prediction itself."""

    def call(self, y_true, y_pred):
        return y_pred[..., 0]


def test_class_ids_above_two_to_the_24_do_not_collide():
    seen = {}

    class Labels(lossforge.Loss):
        def call(self, y_true, y_pred):
            seen["labels"] = ops.convert_to_numpy(y_true)
            return y_pred[..., 0]

    Labels()(np.array([2**24, 2**24 + 1], "int32"), np.zeros((2, 1)))
    assert seen["labels"].tolist() == [2**24, 2**24 + 1]


def test_integer_one_hot_and_column_labels_give_equal_values():
    rng = np.random.default_rng(0)
    x, ids = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    for loss in (
        lossforge.Focal(from_logits=True, alpha=[0.1, 0.2, 0.3, 0.4], reduction=None),
        lossforge.CrossEntropy(from_logits=True, class_weight=[1, 2, 3, 4], reduction=None),
        lossforge.CrossEntropy(from_logits=True, label_smoothing=0.1, reduction=None),
    ):
        one_hot = ops.convert_to_numpy(loss(np.eye(4)[ids], x))
        np.testing.assert_allclose(ops.convert_to_numpy(loss(ids, x)), one_hot, rtol=1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(loss(ids[:, None], x)), one_hot, rtol=1e-5)


def test_ignored_class_leaves_mean_over_the_others():
    x = np.array([[0.0, 1.0], [np.nan, np.nan], [2.0, 0.0]])
    loss = lossforge.CrossEntropy(from_logits=True, ignore_class=255)
    expected = (np.log1p(np.exp(-1)) + np.log1p(np.exp(2))) / 2
    assert float(loss([1, 255, 1], x)) == pytest.approx(expected, rel=1e-6)


def test_ignored_labels_of_multilabel_targets_count_element_by_element():
    loss = lossforge.CrossEntropy(task="multilabel", from_logits=True, ignore_class=-1)
    assert float(loss([[1.0, -1.0]], [[0.0, 5.0]])) == pytest.approx(np.log(2), rel=1e-6)


def test_pos_weight_and_binary_class_weight_scale_the_positive_part():
    weighted = lossforge.CrossEntropy(from_logits=True, pos_weight=3.0)
    by_class = lossforge.CrossEntropy(from_logits=True, class_weight=[1.0, 3.0])
    for loss in (weighted, by_class):
        assert float(loss([[1.0]], [[0.0]])) == pytest.approx(3 * np.log(2), rel=1e-6)
        assert float(loss([[0.0]], [[0.0]])) == pytest.approx(np.log(2), rel=1e-6)


def test_focal_keeps_a_gradient_for_a_confidently_wrong_logit():
    loss = lossforge.Focal(from_logits=True)
    values = float(loss([0], [[-100.0, 100.0]]))
    assert values == pytest.approx(200.0, rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_over_batch_size", None])
def test_reductions_agree_with_keras(reduction):
    rng = np.random.default_rng(1)
    y, p, w = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.uniform(size=5)
    ours = lossforge.Huber(reduction=reduction)(y, p, w)
    theirs = keras.losses.Huber(reduction=reduction)(y, p, w)
    np.testing.assert_allclose(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), rtol=1e-5)


def test_weights_align_from_the_left_and_misfits_are_refused():
    values = ops.zeros((4, 7))
    assert align(ops.zeros((4,)), values).shape == (4, 1)
    assert align(ops.zeros((4, 7, 1)), values).shape == (4, 7)
    with pytest.raises(ValueError, match="does not fit"):
        align(ops.zeros((7,)), values)


def test_mean_with_sample_weight_divides_by_the_weights():
    loss = Identity(reduction="mean_with_sample_weight")
    assert float(loss([[0.0]] * 2, [[1.0], [4.0]], [3.0, 1.0])) == pytest.approx(7 / 4)


def test_unknown_loss_gets_a_suggestion():
    with pytest.raises(AttributeError, match="Did you mean 'Focal'"):
        _ = lossforge.Focl


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lossforge.Focal(gamma=-1), "gamma"),
        (lambda: lossforge.Focal(gamma=float("nan")), "gamma"),
        (lambda: lossforge.Focal(task="binry"), "task"),
        (lambda: lossforge.CrossEntropy(label_smoothing=2), "label_smoothing"),
        (lambda: lossforge.SmoothL1(beta=0), "beta"),
        (lambda: lossforge.IoU(mode="cubic"), "mode"),
        (lambda: lossforge.HardExamples(lossforge.Focal(), keep=0), "keep"),
        (lambda: lossforge.Composite({}), "at least one term"),
        (lambda: lossforge.Composite({"a": (-1.0, lossforge.Focal())}), "weight of term 'a'"),
        (lambda: lossforge.Composite({"a": (float("nan"), lossforge.Focal())}), "weight"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
