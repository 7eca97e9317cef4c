"""Deblurring and denoising, with attention to where the photograph has edges."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.image import pixels
from lossforge.recipe import Reading, Slot
from lossforge.tasks.super_resolution import SuperResolution


class Deblurring(SuperResolution):
    """SuperResolution at scale 1, with a slot `edges` beside `image`.

    Losses of `edges` compare pixels, weighted by the attention map of the sharp photograph
    (see `edge_attention`): blur costs most where there is something to blur.
    """

    def __init__(self, network: keras.Model, perceptual: bool | None = None) -> None:
        super().__init__(network, 1, perceptual)
        self.slots["edges"] = Slot("edges", ("regression",))

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        readings = super().read(target, outputs)
        whole = readings["image"]["regression"]
        attended = Reading(whole.y_true, whole.y_pred, edge_attention(whole.y_true))
        return {**readings, "edges": {"regression": attended}}


def edge_attention(images: Any) -> Any:
    """How steep the brightness is at each pixel, divided by its mean over the image.

    Args:
        images: (B, H, W, 3) RGB in [0, 1].

    Returns: (B, H, W), of mean 1; 1 everywhere for an image without edges.

    >>> step = ops.concatenate([ops.zeros((1, 4, 2, 3)), ops.ones((1, 4, 2, 3))], axis=2)
    >>> edge_attention(step)[0, 0].numpy().tolist()
    [0.0, 4.0, 0.0, 0.0]
    """
    y = pixels.luminance(images)
    slope = pixels.magnitude(*(pixels.forward_difference(y, axis) for axis in (1, 2)))[..., 0]
    mean = pixels.mean_over(slope, (1, 2), keepdims=True)
    flat = mean <= 1e-6
    return ops.where(flat, ops.ones_like(slope), slope / ops.where(flat, 1.0, mean))
