"""Images compared by the features of a network: content, style, context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from lossforge.heads.lpips_heads import trained_heads
from lossforge.losses.base import check_range
from lossforge.losses.image import pixels
from lossforge.losses.image.feature_loss import Backbone, FeatureLoss
from lossforge.ranges import Choice, Float

STYLE_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")
LPIPS_LAYERS = (*STYLE_LAYERS, "block5_conv3")


class Perceptual(FeatureLoss):
    """Images must look alike to a network that has learnt to see: the content loss.

        loss = sum over layers of w  mean over places and channels of |f(y) - f(p)|^power

    Reads: y_true, y_pred: (batch, height, width, 3), RGB in [0, 1]; with `backbone=None` feature
        maps (batch, h, w, C).
    Returns: (batch,).
    Edges: maps that are equal cost 0. A mean over channels, as in the paper; libraries that sum
        over them give values larger by their number.
    Source: Johnson, Alahi and Fei-Fei 2016, Perceptual Losses for Real-Time Style Transfer and
        Super-Resolution, equation 2 (relu3_3, squared); SRGAN and ESRGAN take block5_conv4 of
        vgg19, ESRGAN before the ReLU and with power 1.

    >>> image = [[[[0.0, 0.0, 0.0]]]]
    >>> float(Perceptual("vgg16", ["block1_conv1"], weights=None)(image, image))
    0.0

    Args:
        backbone: as in `FeatureLoss`: "hed", "vgg16", "vgg19", a Keras model, its path, or None.
        layers: of the backbone, such as "block3_conv3".
        weights: of vgg16 and vgg19: "imagenet", a path, or None for random ones.
        layer_weights: one factor >= 0 a layer; None: 1 each.
        power: 1 for absolute values, 2 for squares.
        pre_activation: whether features are taken before the ReLU.

    Raises:
        ValueError: for a backbone, layer or power that does not exist.
    """

    kinds = ("image",)
    source = "Johnson, Alahi and Fei-Fei 2016, Perceptual Losses for Real-Time Style Transfer"
    search = {"power": Choice((1, 2))}
    variants = (
        {"backbone": "vgg16", "weights": None, "layers": ["block1_conv2"]},
        {
            "backbone": "vgg19",
            "weights": None,
            "layers": ["block1_conv1", "block2_conv1"],
            "layer_weights": [0.3, 2.0],
            "power": 1,
            "pre_activation": True,
        },
        {"backbone": None},
    )

    def __init__(
        self,
        backbone: Backbone = "hed",
        layers: Sequence[str] = ("block3_conv3",),
        weights: str | None = "imagenet",
        layer_weights: Sequence[float] | None = None,
        power: int = 2,
        pre_activation: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(backbone, layers, weights, layer_weights, **base)
        if power not in (1, 2):
            raise ValueError(f"Perceptual: power must be 1 or 2, got {power!r}.")
        if pre_activation and self._model is not None:
            raise ValueError(
                "Perceptual: pre_activation is for the VGG networks; of a model of your own name "
                "the layer before the activation."
            )
        self.power = int(power)
        self.pre_activation = bool(pre_activation)

    def before_relu(self) -> bool:
        return self.pre_activation

    def compare(self, x: Any, y: Any, index: int) -> Any:
        return pixels.image_mean(ops.abs(x - y) if self.power == 1 else ops.square(x - y))


class Style(FeatureLoss):
    """Features must occur together as often, wherever they are: texture without content.

        G_cd = sum over places of f_c f_d / (C h w),   loss = sum over layers of w |G(y) - G(p)|_F^2

    Reads: y_true, y_pred: (batch, height, width, 3), RGB in [0, 1], of any two sizes; with
        `backbone=None` feature maps (batch, h, w, C).
    Returns: (batch,).
    Edges: a Gram matrix is C x C an image, whatever the size of the map. It is divided by C h w
        before it is squared, so that half-precision features do not overflow.
    Source: Gatys, Ecker and Bethge 2016, Image Style Transfer Using Convolutional Neural Networks;
        normalised as in Johnson et al. 2016, equations 3 and 4.

    >>> image = [[[[0.0, 0.0, 0.0]]]]
    >>> float(Style("vgg16", ["block1_conv1"], weights=None)(image, image))
    0.0

    Args:
        backbone: as in `FeatureLoss`: "hed", "vgg16", "vgg19", a Keras model, its path, or None.
        layers: of the backbone, such as "block3_conv3".
        weights: of vgg16 and vgg19: "imagenet", a path, or None for random ones.
        layer_weights: one factor >= 0 a layer; None: 1 each.

    Raises:
        ValueError: for a backbone or layer that does not exist.
    """

    kinds = ("image",)
    source = "Gatys, Ecker and Bethge 2016, Image Style Transfer Using Convolutional Networks"
    variants = (
        {"backbone": "vgg16", "weights": None, "layers": ["block1_conv2"]},
        {"backbone": None},
    )

    def __init__(
        self,
        backbone: Backbone = "hed",
        layers: Sequence[str] = STYLE_LAYERS,
        weights: str | None = "imagenet",
        layer_weights: Sequence[float] | None = None,
        **base: Any,
    ) -> None:
        super().__init__(backbone, layers, weights, layer_weights, **base)

    def summary(self, x: Any) -> Any:
        return gram(x)

    def compare(self, x: Any, y: Any, index: int) -> Any:
        return ops.sum(ops.square(x - y), axis=(1, 2))


class LPIPS(FeatureLoss):
    """Perceptual distance of unit-length features, weighed by what people find different.

        loss = sum over layers  mean over places  sum_c w_c (u_c(y) - u_c(p))^2,    u = f / |f|

    Published numbers need the authors' trained weights w (`heads`) and the network on which they
    were trained (torchvision's); with other weights it is the same kind of distance on another
    scale. Without heads w = 1, their untrained baseline.

    Reads: y_true, y_pred: (batch, height, width, 3), RGB in [0, 1] (not [-1, 1]); with
        `backbone=None` feature maps (batch, h, w, C).
    Returns: (batch,).
    Edges: a place where all features are 0 has a direction of 0 and no gradient.
    Source: Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features as a Perceptual
        Metric, equation 1.

    >>> image = [[[[0.0, 0.0, 0.0]]]]
    >>> float(LPIPS("vgg16", ["block1_conv1"], weights=None)(image, image))
    0.0

    Args:
        backbone: as in `FeatureLoss`: "hed", "vgg16", "vgg19", a Keras model, its path, or None.
        layers: of the backbone, such as "block3_conv3".
        weights: of vgg16 and vgg19: "imagenet", a path, or None for random ones.
        layer_weights: one factor >= 0 a layer; None: 1 each.
        heads: "lpips": the authors' trained weights, from their package `lpips`, for the default
            layers of vgg16; or the path of an .npz file that holds, by the name of each layer
            (`features` with `backbone=None`), its C weights >= 0.

    Raises:
        ValueError: for a backbone, layer or file that does not exist.
    """

    kinds = ("image",)
    source = "Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features"
    variants = (
        {"backbone": "vgg16", "weights": None, "layers": ["block1_conv2", "block2_conv1"]},
        {"backbone": None},
    )

    def __init__(
        self,
        backbone: Backbone = "hed",
        layers: Sequence[str] = LPIPS_LAYERS,
        weights: str | None = "imagenet",
        layer_weights: Sequence[float] | None = None,
        heads: str | None = None,
        **base: Any,
    ) -> None:
        super().__init__(backbone, layers, weights, layer_weights, **base)
        self.heads = heads
        self._head_weights = None if heads is None else self._read_heads(heads)

    def _read_heads(self, heads: str) -> list[np.ndarray]:
        if heads == "lpips":
            if self.backbone not in ("hed", "vgg16") or tuple(self.layers) != LPIPS_LAYERS:
                raise ValueError(
                    "LPIPS: heads='lpips' are those of vgg16 and its layers "
                    f"{', '.join(LPIPS_LAYERS)}, got {self.backbone} and {', '.join(self.layers)}."
                )
            return trained_heads()
        names = ["features"] if self.backbone is None else self.layers
        try:
            with np.load(heads) as file:
                return [np.asarray(file[name]).reshape(-1) for name in names]
        except (OSError, KeyError) as error:
            raise ValueError(
                f"LPIPS: heads must be 'lpips' or an .npz file with {', '.join(names)}, "
                f"got {heads!r}."
            ) from error

    def summary(self, x: Any) -> Any:
        return unit(x)

    def compare(self, x: Any, y: Any, index: int) -> Any:
        difference = ops.square(x - y)
        if self._head_weights is not None:
            difference = difference * ops.convert_to_tensor(self._head_weights[index], x.dtype)
        return pixels.image_mean(ops.sum(difference, axis=-1))


class Contextual(FeatureLoss):
    """Every feature of the target must occur somewhere in the prediction: for unaligned images.

        d_ij = 1 - cos(f_i(p) - m, f_j(y) - m),   m = mean over places of f(y)
        w_ij = exp((1 - d_ij / (min_k d_ik + 1e-5)) / bandwidth),   c_ij = w_ij / sum_k w_ik
        loss = -log mean_j max_i c_ij

    Reads: y_true, y_pred: (batch, height, width, 3), RGB in [0, 1]; with `backbone=None` feature
        maps (batch, h, w, C).
    Returns: (batch,); above 0 even for equal images, unless no two of their features are alike.
    Edges: a feature equal to the mean has cosine 0 with all. Memory is (h w)^2 an image: take a
        late layer or crops.
    Source: Mechrez, Talmi and Zelnik-Manor 2018, The Contextual Loss for Image Transformation with
        Non-Aligned Data, equations 1 to 5.

    >>> image = [[[[0.0, 0.5, 1.0], [1.0, 0.0, 0.0]]]]
    >>> round(float(Contextual(backbone=None)(image, image)), 4)
    0.0

    Args:
        backbone: as in `FeatureLoss`: "hed", "vgg16", "vgg19", a Keras model, its path, or None.
        layers: of the backbone, such as "block3_conv3".
        weights: of vgg16 and vgg19: "imagenet", a path, or None for random ones.
        layer_weights: one factor >= 0 a layer; None: 1 each.
        bandwidth: how much alike counts as the same, > 0; the paper's 0.5.

    Raises:
        ValueError: for a backbone or layer that does not exist, or a bandwidth out of range.
    """

    kinds = ("image",)
    source = "Mechrez, Talmi and Zelnik-Manor 2018, The Contextual Loss"
    minimum = None
    memory = "O(B H^2 W^2)"
    search = {"bandwidth": Float(0.1, 1.0)}
    variants = (
        {"backbone": "vgg16", "weights": None, "layers": ["block2_conv1"]},
        {"backbone": None, "bandwidth": 1.0},
    )

    def __init__(
        self,
        backbone: Backbone = "hed",
        layers: Sequence[str] = ("block3_conv2", "block4_conv2"),
        weights: str | None = "imagenet",
        layer_weights: Sequence[float] | None = None,
        bandwidth: float = 0.5,
        **base: Any,
    ) -> None:
        super().__init__(backbone, layers, weights, layer_weights, **base)
        self.bandwidth = check_range("Contextual", "bandwidth", bandwidth, 1e-3)

    def compare(self, x: Any, y: Any, index: int) -> Any:
        target, predicted = places(x), places(y)
        mean = pixels.mean_over(target, (1,), keepdims=True)
        target, predicted = unit(target - mean), unit(predicted - mean)
        cosine = ops.matmul(predicted, ops.transpose(target, (0, 2, 1)))
        distance = ops.relu(1.0 - cosine)  # (batch, i, j); rounding gives -1e-7
        nearest = ops.min(distance, axis=-1, keepdims=True)
        share = ops.softmax((1.0 - distance / (nearest + 1e-5)) / self.bandwidth, axis=-1)
        best = ops.max(share, axis=1)
        return -ops.log(pixels.image_mean(best))


def gram(x: Any) -> Any:
    """(batch, C, C), divided by C h w."""
    flat = places(x)
    size = ops.cast(ops.shape(flat)[1] * flat.shape[-1], x.dtype)
    return ops.matmul(ops.transpose(flat, (0, 2, 1)), flat / size)


def places(x: Any) -> Any:
    """(batch, *spatial, C) -> (batch, places, C)."""
    shape = ops.shape(x)
    return ops.reshape(x, (shape[0], -1, shape[-1]))


def unit(x: Any) -> Any:
    """Of length 1 over channels; 0 stays 0, with gradient 0."""
    size = pixels.magnitude_over_channels(x)
    return x / ops.where(ops.equal(size, 0.0), 1.0, size)
