"""One test for each defect that other libraries were found to have: the wrong value, and ours.

A peer that is a dependency of the tests (keras, keras-cv, tf.image) is called itself, and the test
fails the day it is mended. Of a peer that is not, the defective formula stands here as a function.
"""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.balance import GeometricMean, Uncertainty
from lossforge.testing import gradient_of, values_of

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the peer needs TensorFlow"
)
RNG = np.random.default_rng(0)


def slope(loss, y_true, y_pred):
    """d loss / d y_pred of any Keras loss or function."""
    y_pred = ops.convert_to_tensor(y_pred, "float32")
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda p: ops.sum(loss(y_true, p)))(y_pred))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = tf.reduce_sum(loss(y_true, y_pred))
    return tape.gradient(value, y_pred).numpy()


def finite(x):
    return bool(np.all(np.isfinite(x)))


def mask(values):
    return np.reshape(values, (1, -1, 1)).astype("float32")


def test_01_tversky_alpha_prices_false_positives():
    y, only_false_positives = mask([1, 0]), mask([1, 1])
    peer = keras.losses.Tversky(alpha=1.0, beta=0.0)(y, only_false_positives)
    assert float(peer) < 1e-6, "alpha is named the weight of false positives, and is not"
    ours = lossforge.Tversky(alpha=1.0, beta=0.0, smooth=0.0)(y, only_false_positives)
    np.testing.assert_allclose(float(ours), 0.5, rtol=1e-5)


def test_02_empty_mask_predicted_empty_costs_nothing():
    empty = mask([0, 0, 0])
    assert float(keras.losses.Dice()(empty, empty)) > 0.99
    assert np.all(slope(keras.losses.Dice(), empty, mask([0.2, 0.2, 0.2])) == 0)
    for loss in (lossforge.Dice(), lossforge.Tversky()):
        assert float(loss(empty, empty)) == 0.0
        assert np.all(gradient_of(loss, empty, mask([0.2, 0.2, 0.2])) > 0)


def test_03_dice_is_one_value_an_image_which_weights_can_weigh():
    y = np.stack([mask([1, 0])[0], mask([1, 1])[0]])
    p = np.stack([mask([1, 0])[0], mask([0, 0])[0]])  # one image right, one all wrong
    peer = keras.losses.Dice()
    right_alone, wrong_alone = (float(peer(y, p, np.array(w))) for w in ([1.0, 0.0], [0.0, 1.0]))
    assert right_alone == wrong_alone, "one number for the batch, times the mean weight"
    ours = lossforge.Dice(smooth=0.0)
    assert float(ours(y, p, np.array([1.0, 0.0]))) == 0.0
    assert float(ours(y, p, np.array([0.0, 1.0]))) == 0.5  # of two images, as Keras divides
    assert values_of(ours, y, p).shape == (2,)


def test_04_focal_keeps_a_slope_for_the_confidently_wrong():
    y, logits = np.array([[1.0, 0.0, 0.0]]), np.array([[-20.0, 20.0, 0.0]])
    peer = keras.losses.CategoricalFocalCrossentropy(from_logits=True, alpha=1.0)
    assert np.all(slope(peer, y, logits)[0, 0] == 0) and float(peer(y, logits)) < 16.2
    ours = lossforge.Focal(from_logits=True)
    np.testing.assert_allclose(float(ours(y, logits)), 40.0, rtol=1e-5)
    np.testing.assert_allclose(gradient_of(ours, y, logits)[0], [-1, 1, 0], atol=1e-3)


def test_05_focal_of_small_gamma_has_a_slope_at_certainty():
    y, p = np.array([[1.0]]), np.array([[1.0]])
    peer = keras.losses.BinaryFocalCrossentropy(gamma=0.5)
    assert not finite(slope(peer, y, p))
    assert finite(gradient_of(lossforge.Focal(gamma=0.5), y, p))
    half = np.array([[0.5]])
    peers = [keras.losses.BinaryFocalCrossentropy(alpha=a)(y, half) for a in (0.1, 0.9)]
    assert float(peers[0]) == float(peers[1]), "alpha is ignored"
    ours = [float(lossforge.Focal(alpha=a)(y, half)) for a in (0.1, 0.9)]
    np.testing.assert_allclose(ours[1] / ours[0], 9.0, rtol=1e-4)


def test_06_generalised_cross_entropy_has_a_slope_at_probability_zero():
    ids, p = np.array([0]), np.array([[0.0, 1.0]])
    peer = keras.losses.CategoricalGeneralizedCrossEntropy(q=0.5)
    assert not finite(slope(peer, ids, p))
    gradient = gradient_of(lossforge.GeneralisedCrossEntropy(q=0.5), ids, p)
    assert finite(gradient) and gradient[0, 0] < 0
    one_hot = lossforge.GeneralisedCrossEntropy(from_logits=True)
    logits = RNG.normal(size=(2, 3))
    assert float(one_hot([2, 0], logits)) == float(one_hot(np.eye(3)[[2, 0]], logits))


def test_07_kl_divergence_does_not_raise_targets_of_zero():
    y, p = np.array([[1.0, 0.0]]), np.array([[0.9990004998, 0.0009995002]])
    exact = float(np.log(1.0 / p[0, 0]))
    tiny = np.array([[1.0, 0.0]]), np.array([[1.0, 1e-30]])
    assert float(keras.losses.KLDivergence()(y, p)) < exact * 0.9999
    np.testing.assert_allclose(float(lossforge.KLDivergence()(y, p)), exact, rtol=1e-4)
    half = ops.cast(ops.convert_to_tensor(tiny[1]), "float16")
    assert finite(values_of(lossforge.KLDivergence(), tiny[0], half))


def test_08_base_keeps_integers_and_drops_nan_of_weight_zero():
    seen = []

    class Peer(keras.losses.Loss):
        def call(self, y_true, y_pred):
            seen.append(ops.convert_to_numpy(y_true))
            return y_pred[..., 0]

    ids, p = np.array([2**24, 2**24 + 1]), np.array([[1.0], [np.nan]])
    assert np.isnan(float(Peer()(ids, p, np.array([1.0, 0.0]))))
    assert seen[0][0] == seen[0][1], "two classes have become one"
    assert "dtype" not in Peer(dtype="float64").get_config()
    weighted = lossforge.MSE()(np.array([[0.0], [0.0]]), p, np.array([1.0, 0.0]))
    assert float(weighted) == 0.5
    assert lossforge.MSE(dtype="float64").get_config()["dtype"] == "float64"
    far = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert float(lossforge.SupCon()(ids, far)) == 0.0, "no positives: other classes"


def test_09_circle_holds_its_weights_constant():
    ids, x = np.array([0, 0, 1, 1]), RNG.normal(size=(4, 3)).astype("float32")
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    ours = gradient_of(lossforge.Circle(gamma=8.0), ids, x)
    like_the_peer = gradient_of(lossforge.Circle(gamma=8.0, hold_weights=False), ids, x)
    peer = slope(keras.losses.Circle(gamma=8.0, remove_diagonal=True), ids, x)
    cosine = np.sum(peer * like_the_peer) / np.linalg.norm(peer) / np.linalg.norm(like_the_peer)
    held = np.sum(peer * ours) / np.linalg.norm(peer) / np.linalg.norm(ours)
    assert np.abs(ours - like_the_peer).max() > 1e-3 and cosine > held


def test_10_poisson_mape_and_cosine_are_finite_where_peers_are_not():
    assert np.isnan(float(keras.losses.Poisson()([[1.0]], [[-0.5]])))
    assert finite(values_of(lossforge.Poisson(log_input=True), [[1.0]], np.array([[-0.5]])))
    assert finite(values_of(lossforge.Poisson(), [[1.0]], np.array([[-0.5]])))
    assert float(keras.losses.MeanAbsolutePercentageError()([[0.0]], [[1.0]])) > 1e8
    assert float(lossforge.MAPE()([[0.0]], [[1.0]])) < 1e5
    y, zero = np.array([[1.0, 0.0]]), np.zeros((1, 2))
    peer = slope(keras.losses.CosineSimilarity(), y, zero)  # 1e7 on TensorFlow, NaN on JAX
    assert not finite(peer) or np.abs(peer).max() > 1e5
    assert np.all(gradient_of(lossforge.CosineSimilarity(), y, zero) == 0)


def boxes(count):
    corner = RNG.uniform(0, 0.5, (2, 2, count, 2))
    return np.concatenate([corner, corner + RNG.uniform(0.2, 0.5, (2, 2, count, 2))], axis=-1)


@on_tensorflow
def test_11_boxes_of_a_batch_are_compared_pair_by_pair():
    import keras_cv

    y, p = boxes(3).astype("float32")
    for name, ours in (("GIoULoss", lossforge.GIoU()), ("IoULoss", lossforge.IoU())):
        options = {"mode": "linear"} if name == "IoULoss" else {}
        peer = getattr(keras_cv.losses, name)(bounding_box_format="xyxy", **options)
        one_by_one = np.mean(
            [
                float(ours(a[None, None], b[None, None]))
                for a, b in zip(y.reshape(-1, 4), p.reshape(-1, 4), strict=True)
            ]
        )
        np.testing.assert_allclose(float(ours(y, p)), one_by_one, rtol=1e-5)
        assert abs(float(peer(y, p)) - one_by_one) > 0.01
    apart = np.array([[[0.0, 0.0, 0.1, 0.1]]]), np.array([[[0.5, 0.5, 0.6, 0.6]]])
    assert finite(values_of(lossforge.IoU(mode="log"), *apart))


@on_tensorflow
def test_12_ciou_is_rebuilt_from_its_config():
    import keras_cv

    peer = keras_cv.losses.CIoULoss(bounding_box_format="xyxy")
    with pytest.raises(TypeError):
        type(peer).from_config(peer.get_config())
    ours = lossforge.CIoU(reduction="sum")
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()


@on_tensorflow
def test_13_smooth_l1_is_never_negative_and_continuous():
    import keras_cv

    peer = keras_cv.losses.SmoothL1Loss(l1_cutoff=0.1)
    assert float(peer(np.array([[0.0]]), np.array([[0.101]]))) < -0.3
    below, above = (float(lossforge.SmoothL1(beta=0.1)([[0.0]], [[d]])) for d in (0.0999, 0.1001))
    assert 0 < below < above < below + 1e-3


@on_tensorflow
def test_14_label_smoothing_leaves_alpha_on_its_side():
    import keras_cv

    def peer(alpha):
        loss = keras_cv.losses.FocalLoss(alpha=alpha, gamma=0.0, label_smoothing=0.1)
        return float(loss([[1.0]], [[0.5]]))

    assert peer(0.25) > 2.0 * peer(0.75), "a larger weight of positives gives a positive less"
    ours = [values_of(lossforge.Focal(alpha=a), [[0.95]], [[0.5]])[0] for a in (0.25, 0.75)]
    assert ours[1] > 2.0 * ours[0]


@on_tensorflow
def test_15_sim_clr_is_finite_in_half_precision():
    import keras_cv

    x, y = RNG.normal(size=(2, 4, 3)).astype("float16")
    peer = keras_cv.losses.SimCLRLoss(temperature=0.5, dtype="float16")
    assert not finite(ops.convert_to_numpy(peer(x, y)))
    assert finite(values_of(lossforge.NTXent(dtype="float16"), x, y))


def cubes(labels, x, margin=1.0):
    """The mean hinge over triplets with a (B, B, B) array, dividing by their number."""
    d = np.sqrt(((x[:, None] - x[None, :]) ** 2).sum(-1))
    same = labels[:, None] == labels[None, :]
    positive = same & ~np.eye(len(x), dtype=bool)
    triplets = positive[:, :, None] & ~same[:, None, :]
    with np.errstate(invalid="ignore"):
        return np.sum(np.maximum(d[:, :, None] - d[:, None, :] + margin, 0) * triplets) / np.sum(
            triplets
        )


def test_16_triplet_and_lifted_without_positives_or_negatives_are_zero():
    x = RNG.normal(size=(4, 3))
    assert np.isnan(cubes(np.arange(4), x))
    for loss in (lossforge.Triplet(), lossforge.Triplet(strategy="all"), lossforge.Lifted()):
        for labels in (np.arange(4), np.zeros(4, int)):
            assert float(loss(labels, x)) == 0.0
            assert np.all(gradient_of(loss, labels, x) == 0)


def test_17_addons_losses_import_on_keras_3():
    """tensorflow-addons needs `keras.src.engine`, which Keras 3 has no more."""
    with pytest.raises(ImportError):
        importlib.import_module("keras.src.engine")
    for name in ("Triplet", "Contrastive", "Lifted", "NPair", "Pinball", "WeightedKappa"):
        assert issubclass(getattr(lossforge, name), keras.losses.Loss)


def test_18_soft_neighbours_and_multi_similarity_survive_far_points_and_half_precision():
    ids, far = np.array([0, 0, 1]), np.array([[0.0], [1e3], [2e3]], dtype="float32")
    d = (far - far.T) ** 2
    with np.errstate(all="ignore"):
        underflown = -np.log(np.exp(-d)[0, 1] / (np.exp(-d)[0].sum() - 1.0))
    assert not finite(underflown)
    assert finite(values_of(lossforge.NCA(), ids, far))
    assert finite(gradient_of(lossforge.NCA(), ids, far))
    half = RNG.normal(size=(3, 4)).astype("float16")
    with np.errstate(over="ignore"):
        assert not finite(np.exp(np.float16(50.0) * np.float16(0.5)))  # exp(beta (s - base))
    assert finite(values_of(lossforge.MultiSimilarity(dtype="float16"), ids, half))
    assert finite(gradient_of(lossforge.MultiSimilarity(), ids, half))


def test_19_semi_hard_takes_the_negative_of_each_positive():
    """tensorflow-similarity asks for a negative beyond the hardest positive only."""
    ids, x = np.array([0, 0, 0, 1]), np.array([[0.0], [1.0], [4.0], [1.5]])
    d = np.abs(x - x.T)
    hardest_positive = max(0.0, 4.0 - d[0, 3] + 1.0)  # no negative is beyond 4: the farthest
    each = np.mean([max(0.0, 1.0 - 1.5 + 1.0), max(0.0, 4.0 - 1.5 + 1.0)])
    ours = values_of(lossforge.Triplet(margin=1.0), ids, x)
    np.testing.assert_allclose(ours[0], each, rtol=1e-5)
    assert abs(hardest_positive - each) > 0.5 and ours[3] == 0.0, "no positive, no pull"


def test_20_ntxent_holds_no_matrix_of_positives_times_negatives():
    size = 1024  # 2048 views: 2048 positives x 2046 x 2048 negatives would be 8.6e9 numbers
    x, y = RNG.normal(size=(2, size, 8)).astype("float32")
    value = float(lossforge.NTXent(chunk=256)(x, y))
    np.testing.assert_allclose(value, float(lossforge.NTXent()(x, y)), rtol=1e-5)
    assert lossforge.NTXent.memory == "O(B^2)"


def test_21_all_triplets_are_counted_and_not_listed():
    labels, x = np.arange(12) % 4, RNG.normal(size=(12, 3))
    ours = float(lossforge.Triplet(strategy="all", margin=1.0)(labels, x))
    np.testing.assert_allclose(ours, cubes(labels, x), rtol=1e-4)
    large = np.arange(1200) // 4  # 4 bytes each, the triplets of this batch take 17 MB a byte
    assert finite(values_of(lossforge.Triplet(strategy="all"), large, RNG.normal(size=(1200, 2))))


def test_22_distances_come_from_one_product():
    """No (B, B, D) array: 2000 x 2000 x 512 halves would be 4 GB."""
    from lossforge.losses.embedding.distances import pairwise

    x = RNG.normal(size=(2000, 512)).astype("float32")
    d = ops.convert_to_numpy(pairwise(x))
    np.testing.assert_allclose(d[3, 7], np.linalg.norm(x[3] - x[7]), rtol=1e-4)


def test_23_arc_face_has_a_finite_slope_at_the_poles():
    with np.errstate(divide="ignore"):
        assert not finite(-1.0 / np.sqrt(1.0 - np.float32(1.0) ** 2))  # d arccos at 1
    for cosine in (1.0, -1.0):
        gradient = gradient_of(lossforge.ArcFace(), np.array([0]), np.array([[cosine, 0.0]]))
        assert finite(gradient)
    held = np.exp(64 * np.cos(np.pi / 3 + 0.5))  # a slope, and not that of a margin held constant
    moved = gradient_of(lossforge.ArcFace(scale=1.0), np.array([0]), np.array([[0.5, 0.0]]))
    assert moved[0, 0] < 0 and held > 0
    constant = -(1.0 - 1.0 / (1.0 + np.exp(-np.cos(np.pi / 3 + 0.5))))
    true = constant * np.sin(np.pi / 3 + 0.5) / np.sin(np.pi / 3)
    np.testing.assert_allclose(moved[0, 0], true, rtol=1e-4)


def test_24_cosines_of_all_views_come_from_one_product():
    """optax broadcasts (B, B, D): 4096 x 4096 x 64 floats would be 4.3 GB."""
    x, y = RNG.normal(size=(2, 2048, 64)).astype("float32")
    views = np.concatenate([x, y])
    views /= np.linalg.norm(views, axis=-1, keepdims=True)
    logits = views @ views.T / 0.5
    np.fill_diagonal(logits, -np.inf)
    top = logits.max(axis=1)
    total = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
    partner = np.roll(np.arange(4096), 2048)
    expected = np.mean(total - logits[np.arange(4096), partner])
    np.testing.assert_allclose(float(lossforge.NTXent()(x, y)), expected, rtol=1e-5)


def test_25_cosine_has_a_finite_slope_at_the_zero_vector():
    def peer(y_true, y_pred):  # optax.cosine_similarity with its epsilon of 0
        norm = ops.sqrt(ops.sum(ops.square(y_pred), axis=-1))
        return ops.sum(y_true * y_pred, axis=-1) / norm

    y, zero = np.array([[1.0, 0.0]], dtype="float32"), np.zeros((1, 2))
    assert not finite(slope(peer, y, zero))
    assert finite(gradient_of(lossforge.CosineSimilarity(), y, zero))


@on_tensorflow
def test_26_multi_scale_ssim_has_a_finite_slope_on_anti_correlated_images():
    import tensorflow as tf

    x = RNG.random((1, 176, 176, 1)).astype("float32")
    y = 1.0 - x

    def peer(y_true, y_pred):
        return tf.image.ssim_multiscale(y_true, y_pred, 1.0)

    assert not finite(slope(peer, x, y))
    assert finite(gradient_of(lossforge.MultiScaleSSIM(), x, y))


def test_27_gmsd_has_a_finite_slope_where_nothing_differs():
    def deviation(_, y_pred):  # piq: the square root of a variance that is 0
        return ops.sqrt(ops.mean(ops.square(y_pred - ops.mean(y_pred))))

    flat = np.full((1, 16, 16, 1), 0.5, dtype="float32")
    assert not finite(slope(deviation, flat, flat))
    assert finite(gradient_of(lossforge.GMSD(), flat, flat))


def test_28_gradient_penalty_takes_the_norm_over_the_whole_example():
    gradient = np.full((1, 2, 2, 4), 0.25)  # length 1 in all, 0.5 at each pixel
    by_pixel = np.mean((np.linalg.norm(gradient, axis=-1) - 1.0) ** 2)
    assert by_pixel == 0.25
    assert float(lossforge.GradientPenalty()(np.zeros(1), gradient)) < 1e-9


def test_29_asymmetric_loss_is_finite_in_half_precision_and_a_mean():
    with np.errstate(divide="ignore"):
        assert not finite(np.log(np.maximum(np.float16(0.0), np.float16(1e-8))))
    y = np.tile([1.0, 0.0], (8, 40))
    p = np.zeros((8, 80), dtype="float16")
    values = values_of(lossforge.Asymmetric(), y, p)
    assert finite(values) and finite(gradient_of(lossforge.Asymmetric(), y, p))
    twice = values_of(lossforge.Asymmetric(), np.tile(y, 2), np.tile(p, 2))
    np.testing.assert_allclose(twice, values, rtol=1e-5)  # no sum that grows with the classes


def test_30_distillation_sums_over_classes():
    teacher, student = RNG.normal(size=(2, 4, 10))

    def softmax(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    p, q = softmax(teacher / 4.0), softmax(student / 4.0)
    terms = p * np.log(p / q) * 16.0
    ours = float(lossforge.Distillation(temperature=4.0)(teacher, student))
    np.testing.assert_allclose(ours, terms.sum(axis=1).mean(), rtol=1e-4)
    np.testing.assert_allclose(ours, 10 * terms.mean(axis=1).mean(), rtol=1e-4)  # mmdet's, / C


def test_31_sup_con_without_positives_is_zero_and_needs_no_base_temperature():
    def peer(labels, x, temperature, base):
        logits = x @ x.T / temperature
        same = (labels[:, None] == labels) & ~np.eye(len(x), dtype=bool)
        others = np.exp(logits) * ~np.eye(len(x), dtype=bool)
        log_q = logits - np.log(others.sum(axis=1, keepdims=True))
        with np.errstate(invalid="ignore"):
            return -(temperature / base) * (same * log_q).sum(axis=1) / same.sum(axis=1)

    x = RNG.normal(size=(4, 3))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    assert np.isnan(peer(np.arange(4), x, 0.1, 0.07)).all()
    assert float(lossforge.SupCon()(np.arange(4), x)) == 0.0
    pairs = np.array([0, 0, 1, 1])
    alike = np.ones((4, 3)) / np.sqrt(3.0)  # all alike: log of the number of others
    np.testing.assert_allclose(float(lossforge.SupCon()(pairs, alike)), np.log(3.0), rtol=1e-5)
    assert abs(peer(pairs, alike, 0.1, 0.07)[0] - np.log(3.0)) > 0.1


def test_32_cl_dice_of_one_channel_is_not_zero():
    y = np.zeros((1, 16, 16, 1))
    y[0, 7:10] = 1.0
    gap = y.copy()
    gap[0, :, 6:9] = 0.0
    background_left_out = gap[..., 1:]  # MONAI's: drops the first channel, the only one
    assert background_left_out.size == 0
    assert float(lossforge.ClDice()(y, gap)) > 0.05


def test_33_ignored_pixels_do_not_count():
    ids = np.array([[0, 1, 255, 255]])
    p = np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.1, 0.9]]])
    masked = np.where(ids[..., None] == 255, 0.0, p)
    one_hot = np.eye(2)[np.where(ids == 255, 0, ids)]  # the peers': zeroed, and still in the sums
    peer = 1 - 2 * (one_hot * masked).sum((1,)) / (one_hot.sum((1,)) + masked.sum((1,)))
    cut = values_of(lossforge.Dice(smooth=0.0), ids[:, :2], p[:, :2])
    ours = values_of(lossforge.Dice(smooth=0.0, ignore_class=255), ids, p)
    np.testing.assert_allclose(ours, cut, rtol=1e-5)
    assert abs(peer.mean() - cut[0]) > 0.05
    hostile = np.where(ids[..., None] == 255, np.nan, p)
    for loss in (lossforge.Dice(ignore_class=255), lossforge.CrossEntropy(ignore_class=255)):
        assert finite(values_of(loss, ids, hostile)) and finite(gradient_of(loss, ids, hostile))


def test_34_dice_of_an_image_does_not_depend_on_the_batch():
    y, p = RNG.integers(0, 2, (3, 8, 1)).astype(float), RNG.random((3, 8, 1))

    def pooled(y, p):
        return 1 - 2 * (y * p).sum() / (y.sum() + p.sum())

    singles = [pooled(y[i : i + 1], p[i : i + 1]) for i in range(3)]
    assert abs(pooled(y, p) - np.mean(singles)) > 1e-3
    loss = lossforge.Dice(smooth=0.0)
    np.testing.assert_allclose(values_of(loss, y, p), singles, rtol=1e-5)
    np.testing.assert_allclose(float(lossforge.Pooled(loss)(y, p)), pooled(y, p), rtol=1e-5)


def test_35_negatives_of_other_replicas_are_in_the_loss():
    """Two halves alone are not the whole; GlobalBatch is (trained on two devices elsewhere)."""
    x, y = RNG.normal(size=(2, 8, 4))
    whole = float(lossforge.NTXent()(x, y))
    halves = np.mean([float(lossforge.NTXent()(x[i : i + 4], y[i : i + 4])) for i in (0, 4)])
    assert whole - halves > 0.3
    np.testing.assert_allclose(float(lossforge.GlobalBatch(lossforge.NTXent())(x, y)), whole)


def test_36_balances_keep_digits_and_know_classification_from_regression():
    terms = np.full(200, 1e-4, dtype="float32")
    assert np.prod(terms) ** (1 / 200) == 0.0, "LibMTL's product"
    total = GeometricMean().total(ops.convert_to_tensor(terms), {})
    np.testing.assert_allclose(float(total), 1e-4, rtol=1e-4)

    def total_of(balance):
        state = {n: ops.convert_to_tensor(v, "float32") for n, v in balance.start(("a",)).items()}
        return float(balance.total(ops.convert_to_tensor([3.0], "float32"), state))

    assert total_of(Uncertainty(initial=0.0)) == 1.5  # L / 2, which LibMTL takes for every task
    assert total_of(Uncertainty(initial=0.0, classification=("a",))) == 3.0


def test_37_degenerate_boxes_are_finite_in_half_precision():
    point = np.array([[[0.5, 0.5, 0.5, 0.5]]], dtype="float16")
    box = np.array([[[0.25, 0.25, 0.75, 0.75]]], dtype="float16")
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.float16(0.0) / np.float16(0.0 + 1e-9))  # 0 area over 0 + epsilon
    for name in ("IoU", "GIoU", "DIoU", "CIoU", "EIoU", "SIoU"):
        loss = getattr(lossforge, name)()
        for y, p in ((point, point), (box, point), (point, box), (box, box)):
            assert finite(values_of(loss, y, p)) and finite(gradient_of(loss, y, p)), name


@on_tensorflow
def test_38_labels_out_of_range_are_never_silent():
    import tensorflow as tf

    peer = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits = tf.zeros((2, 3))
    with pytest.raises(tf.errors.InvalidArgumentError):
        peer(np.array([0, 3]), logits)
    with pytest.raises(tf.errors.InvalidArgumentError):
        lossforge.CrossEntropy(from_logits=True)(np.array([0, 3]), logits)
    for loss in (lossforge.CrossEntropy(from_logits=True), lossforge.Focal(from_logits=True)):
        compiled = tf.function(loss, jit_compile=True)(tf.constant([0, 3]), logits)
        assert np.isnan(float(compiled)), "NaN, which StopOnNaN reports, and not a number"
