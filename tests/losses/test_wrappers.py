"""Losses over losses: attention, the target first, the batch of all replicas."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

import lossforge
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(0)
Y, P = RNG.normal(size=(3, 4, 2)), RNG.normal(size=(3, 4, 2))
ATTENTION = np.array([[1.0, 2.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 3.0, 0.0]])


def with_map(values, attention=ATTENTION):
    return np.concatenate([values, attention[..., None]], axis=-1)


def weighted_by_hand(attention=ATTENTION):
    values = np.abs(Y - P).mean(axis=-1)
    return np.stack([v * a / a.mean() for v, a in zip(values, attention, strict=True)])


@pytest.mark.parametrize("carrier", ["target", "prediction"])
def test_attention_weighs_each_element_and_keeps_the_mean_weight_at_one(carrier):
    loss = lossforge.AttentionWeighted(lossforge.MAE(), carrier=carrier)
    if carrier == "target":
        channel, entries = (with_map(Y), P), ({"value": Y, "attention": ATTENTION}, P)
    else:
        channel, entries = (Y, with_map(P)), (Y, {"value": P, "attention": ATTENTION})
    for y_true, y_pred in (channel, entries):
        np.testing.assert_allclose(values_of(loss, y_true, y_pred), weighted_by_hand(), rtol=1e-5)


def test_even_attention_is_the_loss_itself():
    loss = lossforge.AttentionWeighted(lossforge.Focal(task="multilabel"))
    y, p = (RNG.integers(0, 2, (3, 4, 2)).astype(float), RNG.uniform(0.1, 0.9, (3, 4, 2)))
    even = with_map(y, np.full((3, 4), 7.0))
    plain = values_of(lossforge.Focal(task="multilabel"), y, p)
    np.testing.assert_allclose(values_of(loss, even, p), plain, rtol=1e-5)


def test_an_element_of_attention_zero_does_not_count_even_if_it_is_nan():
    hostile = np.where(ATTENTION[..., None] == 0, np.nan, P)
    loss = lossforge.AttentionWeighted(lossforge.MAE())
    np.testing.assert_allclose(values_of(loss, with_map(Y), hostile), weighted_by_hand(), rtol=1e-5)
    assert np.all(np.isfinite(gradient_of(loss, with_map(Y), hostile)))


def test_a_map_of_the_model_learns_only_when_told():
    held = lossforge.AttentionWeighted(lossforge.MAE(), carrier="prediction")
    learnt = lossforge.AttentionWeighted(lossforge.MAE(), carrier="prediction", learn=True)
    assert np.all(gradient_of(held, Y, with_map(P))[..., -1] == 0)
    assert np.any(gradient_of(learnt, Y, with_map(P))[..., -1] != 0)


def test_weights_and_attention_multiply():
    loss = lossforge.AttentionWeighted(lossforge.MAE())
    weight = np.array([1.0, 0.0, 2.0])
    values = values_of(loss, with_map(Y), P, weight)
    np.testing.assert_allclose(values, weighted_by_hand() * weight[:, None], rtol=1e-5)


def test_a_model_that_puts_out_its_attention_trains():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 3))
    value, attention = keras.layers.Dense(2)(inputs), keras.layers.Dense(1, "softplus")(inputs)
    model = keras.Model(inputs, keras.layers.Concatenate()([value, attention]))
    loss = lossforge.AttentionWeighted(lossforge.MSE(), carrier="prediction")
    model.compile("adam", loss=loss)
    x = RNG.normal(size=(64, 8, 3))
    history = model.fit(x, x[..., :2], epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("form", ["minimax", "non_saturating", "least_squares", "hinge"])
@pytest.mark.parametrize("side", ["critic", "generator"])
def test_adversarial_by_form_is_the_oracle_of_every_game(form, side):
    from oracles.adversarial.by_form import adversarial

    y, x = np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([[0.3], [-0.7], [2.0], [1.5]])
    expected = adversarial(y, x, form, side)
    actual = values_of(lossforge.Adversarial(form, side=side), y, x)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_target_first_reads_no_labels():
    logits = RNG.normal(size=(4, 6))
    loss = lossforge.TargetFirst(lossforge.CrossEntropy(from_logits=True))
    expected = np.log(np.exp(logits).sum(axis=-1)) - logits[:, 0]
    np.testing.assert_allclose(values_of(loss, np.arange(4), logits), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["AttentionWeighted", "TargetFirst", "GlobalBatch"])
def test_wrappers_are_rebuilt_from_text_and_config(name):
    loss = getattr(lossforge, name)(lossforge.Focal(gamma=1.5))
    assert lossforge.spec.text(loss) == f"{name}(Focal(gamma=1.5))"
    for again in (
        lossforge.spec.parse(lossforge.spec.text(loss)),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss)),
    ):
        assert again.get_config() == loss.get_config()


def test_bad_arguments_are_named():
    for cls in (lossforge.AttentionWeighted, lossforge.TargetFirst, lossforge.GlobalBatch):
        with pytest.raises(ValueError, match="loss must be a lossforge Loss, got 'mse'"):
            cls("mse")
    with pytest.raises(ValueError, match="carrier must be 'target' or 'prediction', got 'both'"):
        lossforge.AttentionWeighted(lossforge.MAE(), carrier="both")
    with pytest.raises(ValueError, match="form must be one of .* got 'lsgan'"):
        lossforge.Adversarial("lsgan")
    with pytest.raises(ValueError, match="side must be .* got 'discriminator'"):
        lossforge.Adversarial(side="discriminator")


REPLICAS = """
    import sys
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [device, device])
    import keras, lossforge

    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 5)).astype("float32")
    ids = np.tile(np.arange(4), 4)
    classes, masks = ids % 3, (x > 0).astype("float32")
    weight = np.ones(16, "float32")
    weight[:2] = 0.0
    cases = [
        (lossforge.Focal(), classes, "softmax"),
        (lossforge.CrossEntropy(reduction="sum"), classes, "softmax"),
        (lossforge.Dice(), masks[..., None][..., [0, 0, 0]], "sigmoid"),
        (lossforge.GlobalBatch(lossforge.SupCon()), ids, None),
        (lossforge.GlobalBatch(lossforge.Triplet(strategy="hard")), ids, None),
        (lossforge.GlobalBatch(lossforge.NTXent()), x[:, :3].copy(), None),
    ]

    def weights(strategy, loss, y, activation, batch):
        keras.utils.set_random_seed(1)
        with strategy.scope():
            inputs = keras.Input((5, 1) if batch == "mask" else (5,))
            outputs = keras.layers.Dense(3, activation)(inputs)
            model = keras.Model(inputs, outputs)
            model.compile(keras.optimizers.SGD(0.1), loss=loss)
        features = x[..., None] if batch == "mask" else x
        data = tf.data.Dataset.from_tensor_slices((features, y, weight)).batch(16)
        model.fit(data, epochs=3, verbose=0)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert two.num_replicas_in_sync == 2
    for loss, y, activation in cases:
        batch = "mask" if isinstance(loss, lossforge.Dice) else None
        one = weights(tf.distribute.get_strategy(), loss, y, activation, batch)
        both = weights(two, loss, y, activation, batch)
        np.testing.assert_allclose(both, one, rtol=1e-4, atol=1e-5, err_msg=loss.name)
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
def test_two_replicas_train_like_one():
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = textwrap.dedent(REPLICAS)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
