"""Large images through a network piece by piece, with no seam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

LONGEST_LOOK = 2048  # pixels along which reach is looked for


def reach(network: keras.Model, channels: int = 3) -> int | None:
    """How many pixels away an input pixel still matters, along a row; None if everywhere.

    One column of a strip is NaN: whatever depends on it is NaN too, whatever the weights are.
    """
    width = 64
    while width <= LONGEST_LOOK:
        strip = np.full((1, 8, width, channels), 0.5, "float32")
        strip[:, :, width // 2] = np.nan
        spoilt = np.isnan(np.asarray(network(strip, training=False))).any(axis=(0, 1, 3))
        places = np.flatnonzero(spoilt) // (len(spoilt) // width)
        if places[0] > 0 and places[-1] < width - 1:
            return int(np.abs(places - width // 2).max())
        width *= 4
    return None


def tiled(
    network: Callable[[Any], Any], images: Any, scale: int, margin: int | None, core: int = 192
) -> Any:
    """What the network makes of whole images, computed on tiles: the same numbers, less memory.

    Each tile is a core with a margin of what the network looks at; the core of its output is kept.
    At the border of the image tiles end where the image ends, so that padding is where it is for
    the whole image. TensorFlow's backend only; runs in graphs.

    Args:
        network: (B, h, w, C) to (B, scale h, scale w, C').
        images: (B, H, W, C), of any size.
        scale: enlargement by the network.
        margin: `reach` of the network; None: the whole image at once.
        core: side of a core, in pixels of the input.
    """
    import tensorflow as tf

    if margin is None:
        return network(images)
    height, width = tf.unstack(tf.shape(images)[1:3])

    def starts(size):
        """First pixel of a tile and of its core, and the core's end."""
        first = tf.range(0, size, core)
        side = tf.minimum(core + 2 * margin, size)
        return tf.stack(
            [
                tf.clip_by_value(first - margin, 0, size - side),
                first,
                tf.minimum(first + core, size),
            ],
            axis=1,
        ), side

    (rows, tile_height), (columns, tile_width) = starts(height), starts(width)

    def piece(row, column):
        tile = images[:, row[0] : row[0] + tile_height, column[0] : column[0] + tile_width]
        out = network(tile)
        top, bottom = scale * (row[1] - row[0]), scale * (row[2] - row[0])
        left, right = scale * (column[1] - column[0]), scale * (column[2] - column[0])
        return out[:, top:bottom, left:right]

    def joined(make, count, order):
        """Pieces side by side along the axis that `order` puts first."""
        pieces = tf.TensorArray(tf.float32, count, infer_shape=False)
        _, pieces = tf.while_loop(
            lambda i, _: i < count,
            lambda i, done: (i + 1, done.write(i, tf.transpose(make(i), order))),
            (0, pieces),
            parallel_iterations=1,
        )
        return tf.transpose(pieces.concat(), np.argsort(order))

    def band(i):
        return joined(lambda j: piece(rows[i], columns[j]), len_of(columns), (2, 1, 0, 3))

    def len_of(x):
        return tf.shape(x)[0]

    return joined(band, len_of(rows), (1, 0, 2, 3))
