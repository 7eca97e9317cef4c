"""Class weights on the unit sphere: cosines for margin softmax and proxy losses."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.embedding.distances import cosine_similarity, safe_sqrt

POOLINGS = ("max", "soft")


@keras.saving.register_keras_serializable("lossforge")
class CosineHead(keras.layers.Layer):
    """The cosines of an embedding with one direction, or several, a class.

        cos_c = <x, w_c> / (|x| |w_c|)
        several, "max"     cos_c = max_k cos_ck                                (sub-centre ArcFace)
        several, "soft"    cos_c = sum_k softmax_k(cos_ck / temperature) cos_ck       (SoftTriple)

    The directions are class weights for ArcFace and proxies for Proxy-NCA and Proxy-Anchor. They
    are weights of this layer: the model's optimizer trains them and the model saves them. Cosines
    are computed and returned in float32 under any policy: in half precision they would be rounded
    by 1e-3, times a scale of 64.

    Reads: embeddings (..., D), any length.
    Returns: (..., num_classes) in [-1, 1]; with `length=True` (..., num_classes + 1), the length
        of the embedding last.
    Source: Deng et al. 2020, Sub-center ArcFace; Qian et al. 2019, SoftTriple Loss, equation 4.

    >>> CosineHead(5)(keras.ops.ones((2, 3))).shape[-1]
    5

    Args:
        num_classes: how many classes, >= 1.
        centres: directions a class, >= 1; sub-centre ArcFace has 3, SoftTriple 10.
        pooling: "max" or "soft", of the directions of a class.
        temperature: of "soft", > 0; the paper's 0.1.
        length: whether to append |x|, which AdaFace and MagFace read.
        initializer: of the directions. Their length does not enter the cosines, but an optimizer
            such as Adam, whose steps have one size, turns long ones more slowly.
    """

    def __init__(
        self,
        num_classes: int,
        centres: int = 1,
        pooling: str = "max",
        temperature: float = 0.1,
        length: bool = False,
        initializer: Any = "glorot_normal",
        **layer: Any,
    ) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)
        for name, value in (("num_classes", num_classes), ("centres", centres)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"CosineHead: {name} must be a whole number >= 1, got {value!r}.")
        if pooling not in POOLINGS:
            raise ValueError(f"CosineHead: pooling must be 'max' or 'soft', got {pooling!r}.")
        if not temperature > 0:
            raise ValueError(f"CosineHead: temperature must be > 0, got {temperature!r}.")
        self.num_classes, self.centres = num_classes, centres
        self.pooling, self.temperature = pooling, float(temperature)
        self.length = bool(length)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        self.directions = self.add_weight(
            shape=(self.num_classes * self.centres, input_shape[-1]),
            initializer=self.initializer,
            name="directions",
        )

    def call(self, inputs: Any) -> Any:
        lead = ops.shape(inputs)[:-1]
        rows = ops.reshape(inputs, (-1, inputs.shape[-1]))
        cosines = cosine_similarity(rows, ops.convert_to_tensor(self.directions))
        if self.centres > 1:
            cosines = ops.reshape(cosines, (-1, self.num_classes, self.centres))
            if self.pooling == "max":
                cosines = ops.max(cosines, axis=-1)
            else:
                share = ops.softmax(cosines / self.temperature, axis=-1)
                cosines = ops.sum(share * cosines, axis=-1)
        if self.length:
            size = safe_sqrt(ops.sum(ops.square(rows), axis=-1, keepdims=True))
            cosines = ops.concatenate([cosines, size], axis=-1)
        return ops.reshape(cosines, (*lead, self.num_classes + self.length))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (*input_shape[:-1], self.num_classes + self.length)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("num_classes", "centres", "pooling")}
        own = {**own, "temperature": self.temperature, "length": self.length}
        own["initializer"] = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), **own}
