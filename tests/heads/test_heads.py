"""Layers that own the weights of margin softmax, proxies and centres."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.heads.centres import Centres
from lossforge.heads.cosine_head import CosineHead


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def cosines_of(head, x):
    directions = ops.convert_to_numpy(head.directions)
    return unit(x) @ unit(directions).T


def test_cosines_are_those_with_the_directions(rng):
    head, x = CosineHead(5), rng.normal(size=(4, 3))
    actual = ops.convert_to_numpy(head(x.astype("float32")))
    np.testing.assert_allclose(actual, cosines_of(head, x), atol=1e-6)


@pytest.mark.parametrize("pooling", ["max", "soft"])
def test_several_centres_are_pooled_within_each_class(rng, pooling):
    head, x = CosineHead(2, centres=3, pooling=pooling, temperature=0.5), rng.normal(size=(4, 3))
    actual = ops.convert_to_numpy(head(x.astype("float32")))
    for row, result in zip(cosines_of(head, x), actual, strict=True):
        for c in range(2):
            mine = row[3 * c : 3 * c + 3]
            soft = np.sum(np.exp(mine / 0.5) * mine) / np.sum(np.exp(mine / 0.5))
            assert result[c] == pytest.approx(max(mine) if pooling == "max" else soft, abs=1e-6)


def test_leading_axes_are_kept(rng):
    assert CosineHead(5)(ops.ones((2, 7, 3))).shape == (2, 7, 5)
    assert CosineHead(5).compute_output_shape((None, 7, 3)) == (None, 7, 5)


def test_length_is_appended(rng):
    x = rng.normal(size=(4, 3)).astype("float32")
    out = CosineHead(5, length=True)(x)
    assert out.shape == (4, 6)
    expected = np.linalg.norm(x, axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(out)[:, -1], expected, rtol=1e-5)


def test_cosines_stay_in_float32_under_a_half_precision_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        out = CosineHead(3)(ops.ones((2, 4), dtype="float16"))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(out.dtype) == "float32"


def test_squared_distances_are_those_to_the_centres(rng):
    head, x = Centres(3, initializer="glorot_normal"), rng.normal(size=(4, 5))
    actual = ops.convert_to_numpy(head(x.astype("float32")))
    centres = ops.convert_to_numpy(head.centres)
    expected = ((x[:, None] - centres[None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "head", [CosineHead(4, centres=2, pooling="soft", temperature=0.3), Centres(4)]
)
def test_config_rebuilds_an_equal_head(head):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert again.get_config() == head.get_config()


@pytest.mark.parametrize(
    ("head", "loss"),
    [
        (CosineHead(3), lossforge.ArcFace(scale=16.0)),
        (CosineHead(3, centres=2), lossforge.ArcFace(scale=16.0)),
        (CosineHead(3, centres=2, pooling="soft"), lossforge.CosFace(margin=0.01, scale=20.0)),
        (CosineHead(3), lossforge.ProxyNCA()),
        (CosineHead(3), lossforge.ProxyAnchor()),
        (CosineHead(3, length=True), lossforge.AdaFace(scale=16.0)),
        (CosineHead(3, length=True), lossforge.MagFace(scale=16.0)),
        (Centres(3), lossforge.Centre()),
    ],
)
def test_a_head_is_trained_and_saved_with_its_model(tmp_path, rng, head, loss):
    keras.utils.set_random_seed(0)
    head = type(head).from_config(head.get_config())
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), head])
    x, y = rng.normal(size=(32, 6)).astype("float32"), rng.integers(0, 3, 32)
    model.compile(keras.optimizers.Adam(0.02), loss)
    before = ops.convert_to_numpy(head.weights[0]).copy()
    history = model.fit(x, y, epochs=8, batch_size=32, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert not np.allclose(before, ops.convert_to_numpy(head.weights[0]))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "num_classes must be .* got 0"),
        ({"num_classes": 2, "centres": 0.5}, "centres must be .* got 0.5"),
        ({"num_classes": 2, "pooling": "mean"}, "'max' or 'soft', got 'mean'"),
        ({"num_classes": 2, "temperature": 0.0}, "temperature must be > 0, got 0.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CosineHead(**arguments)


def test_centres_names_a_bad_number_of_classes():
    with pytest.raises(ValueError, match="num_classes must be .* got 0"):
        Centres(0)
