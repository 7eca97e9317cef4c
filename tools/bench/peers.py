"""Algorithms of peers that cannot be installed beside Keras 3, from their descriptions.

tensorflow-addons 0.23 (does not import on Keras 3) compares every pair with every negative: its
semi-hard triplet and lifted losses hold (B^2, B) matrices.
"""

from __future__ import annotations

import tensorflow as tf


def distances(x: tf.Tensor) -> tf.Tensor:
    """Euclidean, with slope 0 at 0."""
    squares = tf.reduce_sum(x * x, axis=1)
    squared = tf.maximum(squares[:, None] + squares[None, :] - 2.0 * x @ tf.transpose(x), 0.0)
    near = tf.cast(squared <= 0.0, x.dtype)
    return tf.sqrt(squared + near * 1e-16) * (1.0 - near)


def semi_hard_triplet(labels: tf.Tensor, x: tf.Tensor, margin: float = 1.0) -> tf.Tensor:
    """FaceNet's semi-hard loss with all B^2 pairs against all B others at once."""
    size = tf.shape(labels)[0]
    d = distances(x)
    same = labels[:, None] == labels[None, :]
    other = tf.logical_not(same)
    tiled = tf.tile(d, [size, 1])  # row p * B + a: the distances of a
    pair = tf.reshape(tf.transpose(d), [-1, 1])  # d(a, p) of that row
    farther = tf.logical_and(tf.tile(other, [size, 1]), tiled > pair)
    weight = tf.cast(farther, x.dtype)
    highest = tf.reduce_max(tiled, axis=1, keepdims=True)
    nearest = tf.reduce_min((tiled - highest) * weight, axis=1, keepdims=True) + highest
    some = tf.reduce_any(farther, axis=1)
    nearest = tf.transpose(tf.reshape(nearest, [size, size]))
    some = tf.transpose(tf.reshape(some, [size, size]))
    lowest = tf.reduce_min(d, axis=1, keepdims=True)
    outside = tf.cast(other, x.dtype)
    farthest = tf.reduce_max((d - lowest) * outside, axis=1, keepdims=True) + lowest
    negative = tf.where(some, nearest, tf.tile(farthest, [1, size]))
    positive = tf.cast(same, x.dtype) - tf.eye(size)
    costs = tf.maximum(margin + d - negative, 0.0) * positive
    return tf.reduce_sum(costs) / tf.reduce_sum(positive)


def lifted(labels: tf.Tensor, x: tf.Tensor, margin: float = 1.0) -> tf.Tensor:
    """The lifted structured loss with the negatives of both ends of all B^2 pairs at once."""
    size = tf.shape(labels)[0]
    d = distances(x)
    same = labels[:, None] == labels[None, :]
    reach = margin - d
    outside = tf.cast(tf.logical_not(same), x.dtype)
    lowest = tf.reduce_min(reach, axis=1, keepdims=True)
    row_max = tf.reduce_max((reach - lowest) * outside, axis=1, keepdims=True) + lowest
    top = tf.maximum(tf.transpose(row_max), row_max)  # (B, B): of both ends
    tops = tf.reshape(tf.transpose(top), [-1, 1])
    tiled = tf.exp(tf.tile(reach, [size, 1]) - tops) * tf.tile(outside, [size, 1])
    one_end = tf.transpose(tf.reshape(tf.reduce_sum(tiled, axis=1), [size, size]))
    both = tf.math.log(one_end + tf.transpose(one_end)) + top
    positive = tf.cast(same, x.dtype) - tf.eye(size)
    costs = tf.square(tf.maximum(both + d, 0.0)) * positive
    return 0.5 * tf.reduce_sum(costs) / tf.reduce_sum(positive)
