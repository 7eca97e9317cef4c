"""How likely one tag follows another: weights of a conditional random field, and its decoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossforge.losses.classification.crf import split_frames


@keras.saving.register_keras_serializable("lossforge")
class Transitions(keras.layers.Layer):
    """Owns the scores A[i, j] of tag j after tag i, and puts them below the frames.

    Train with `lossforge.CRF()`; `best_tags` reads the most likely sequence off the output.

    Reads: (batch, T, K) scores of each frame, such as the logits of a Dense layer.
    Returns: (batch, T + K, K), the frames, then A.
    Source: Lafferty, McCallum and Pereira 2001, Conditional Random Fields.

    >>> Transitions()(ops.zeros((2, 5, 3))).shape[1]
    8
    """

    def __init__(self, **layer: Any) -> None:
        layer.setdefault("dtype", "float32")
        super().__init__(**layer)

    def build(self, input_shape: Any) -> None:
        classes = input_shape[-1]
        self.after = self.add_weight(
            shape=(classes, classes), initializer="glorot_uniform", name="after"
        )

    def call(self, frames: Any) -> Any:
        after = ops.convert_to_tensor(self.after)[None]
        shape = (ops.shape(frames)[0], *self.after.shape)
        return ops.concatenate([frames, ops.broadcast_to(after, shape)], axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        batch, frames, classes = input_shape
        return (batch, None if frames is None else frames + classes, classes)


def best_tags(outputs: Any, lengths: Any = None) -> Any:
    """(batch, T): the most likely tags (Viterbi's algorithm), -1 after the end of a sequence.

    Args:
        outputs: (batch, T + K, K), as from `Transitions`.
        lengths: (batch,) frames of each sequence, >= 1; None: all T.

    >>> frames = [[1.0, 0.0], [0.0, 0.4], [1.0, 0.0]]
    >>> after = [[0.5, 0.0], [0.0, 0.0]]
    >>> ops.convert_to_numpy(best_tags(ops.convert_to_tensor([frames + after]))).tolist()
    [[0, 0, 0]]
    """
    frames, after = split_frames("best_tags", ops.convert_to_tensor(outputs))
    steps = ops.arange(ops.shape(frames)[1])
    if lengths is None:
        exists = ops.ones_like(frames[..., 0], "bool")
    else:
        exists = steps[None, :] < ops.cast(lengths, "int32")[:, None]

    def forward(reached, frame):
        scores, exists = frame
        ways = reached[:, :, None] + after
        come = ops.where(exists[:, None], ops.argmax(ways, axis=1), stay)
        reached = ops.where(exists[:, None], ops.max(ways, axis=1) + scores, reached)
        return reached, ops.cast(come, reached.dtype)  # Keras stacks what is of the carry's dtype

    def backward(tag, come):
        before = ops.take_along_axis(come, tag[:, None], axis=1)[:, 0]
        return before, before

    stay = ops.arange(after.shape[-1], dtype="int32")[None, :]
    by_time = tuple(ops.swapaxes(x[:, 1:], 0, 1) for x in (frames, exists))
    reached, come = ops.scan(forward, frames[:, 0], by_time)
    last = ops.cast(ops.argmax(reached, axis=-1), "int32")
    _, tags = ops.scan(backward, last, ops.cast(come, "int32"), reverse=True)
    tags = ops.concatenate([ops.swapaxes(tags, 0, 1), last[:, None]], axis=1)
    return ops.where(exists, tags, -1)
