"""Algorithms of peers that cannot be installed beside Keras 3, from their descriptions.

tensorflow-addons 0.23 (does not import on Keras 3) compares every pair with every negative: its
semi-hard triplet and lifted losses hold (B^2, B) matrices. tensorflow-similarity 0.17 is built on
Keras 2. kornia and MONAI need PyTorch.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
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


def hard_triplet(labels: tf.Tensor, x: tf.Tensor, margin: float = 1.0) -> tf.Tensor:
    """The hardest positive and negative of each anchor, chosen by products with masks."""
    d = distances(x)
    same = labels[:, None] == labels[None, :]
    outside = tf.cast(tf.logical_not(same), x.dtype)
    positive = tf.cast(same, x.dtype) - tf.eye(tf.shape(labels)[0])
    highest = tf.reduce_max(d, axis=1, keepdims=True)
    nearest = tf.reduce_min((d - highest) * outside, axis=1, keepdims=True) + highest
    lowest = tf.reduce_min(d, axis=1, keepdims=True)
    farthest = tf.reduce_max((d - lowest) * positive, axis=1, keepdims=True) + lowest
    return tf.reduce_mean(tf.maximum(farthest - nearest + margin, 0.0))


def multi_similarity(
    labels: tf.Tensor,
    x: tf.Tensor,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    epsilon: float = 0.1,
) -> tf.Tensor:
    """Mined pairs, weighed by logarithms of sums of exponentials over masked rows."""
    x = tf.math.l2_normalize(x, axis=-1)
    s = tf.matmul(x, x, transpose_b=True)
    same = labels[:, None] == labels[None, :]
    positive = tf.logical_and(same, tf.logical_not(tf.eye(tf.shape(labels)[0], dtype=tf.bool)))
    negative = tf.logical_not(same)
    least = tf.reduce_min(tf.where(positive, s, 9.0), axis=1, keepdims=True)
    largest = tf.reduce_max(tf.where(negative, s, -9.0), axis=1, keepdims=True)
    positive = tf.cast(tf.logical_and(positive, s - epsilon < largest), x.dtype)
    negative = tf.cast(tf.logical_and(negative, s + epsilon > least), x.dtype)
    pull = tf.math.log(1.0 + tf.reduce_sum(tf.exp(-alpha * (s - base)) * positive, axis=1))
    push = tf.math.log(1.0 + tf.reduce_sum(tf.exp(beta * (s - base)) * negative, axis=1))
    return tf.reduce_mean(pull / alpha + push / beta)


def soft_nearest_neighbour(labels: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The share of the own class in exponentials that are taken before their sums."""
    squares = tf.reduce_sum(x * x, axis=1)
    squared = tf.maximum(squares[:, None] + squares[None, :] - 2.0 * x @ tf.transpose(x), 0.0)
    each = tf.exp(-squared) * (1.0 - tf.eye(tf.shape(labels)[0]))
    same = tf.cast(labels[:, None] == labels[None, :], x.dtype)
    return -tf.reduce_mean(
        tf.math.log(tf.reduce_sum(each * same, axis=1) / tf.reduce_sum(each, axis=1))
    )


def barlow_twins(x: tf.Tensor, y: tf.Tensor, off_diagonal: float = 0.005) -> tf.Tensor:
    """By way of the D x D correlation."""
    x, y = ((v - tf.reduce_mean(v, 0)) / tf.math.reduce_std(v, 0) for v in (x, y))
    correlation = tf.matmul(x, y, transpose_a=True) / tf.cast(tf.shape(x)[0], x.dtype)
    own = tf.linalg.diag_part(correlation)
    off = tf.reduce_sum(correlation**2) - tf.reduce_sum(own**2)
    return tf.reduce_sum((1.0 - own) ** 2) + off_diagonal * off


def vicreg(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """By way of two D x D covariances."""
    total = 25.0 * tf.reduce_mean(tf.math.squared_difference(x, y))
    for view in (x, y):
        view = view - tf.reduce_mean(view, 0)
        deviation = tf.sqrt(tf.reduce_sum(view**2, 0) / (view.shape[0] - 1) + 1e-4)
        total += 12.5 * tf.reduce_mean(tf.nn.relu(1.0 - deviation))
        covariance = tf.matmul(view, view, transpose_a=True) / (view.shape[0] - 1)
        off = tf.linalg.set_diag(covariance, tf.zeros(view.shape[1]))
        total += tf.reduce_sum(off**2) / view.shape[1]
    return total


def lovasz_softmax(ids: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Image by image and class by class, as kornia had it before its sorts were put together."""
    losses = []
    for image in range(p.shape[0]):
        total, present = 0.0, 0.0
        for c in range(p.shape[-1]):
            y = tf.cast(tf.reshape(ids[image] == c, (-1,)), p.dtype)
            errors = tf.abs(y - tf.reshape(p[image, ..., c], (-1,)))
            order = tf.argsort(errors, direction="DESCENDING")
            errors, y = tf.gather(errors, order), tf.gather(y, order)
            shared = tf.reduce_sum(y) - tf.cumsum(y)
            union = tf.reduce_sum(y) + tf.cumsum(1.0 - y)
            jaccard = 1.0 - shared / union
            steps = tf.concat([jaccard[:1], jaccard[1:] - jaccard[:-1]], axis=0)
            some = tf.cast(tf.reduce_any(y > 0), p.dtype)
            total += some * tf.reduce_sum(errors * tf.stop_gradient(steps))
            present += some
        losses.append(total / present)
    return tf.reduce_mean(tf.stack(losses))


def hausdorff_distance(y: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Distances by scipy, mask by mask, as MONAI has them."""

    def distances_of(mask: np.ndarray) -> np.ndarray:
        result = np.zeros(mask.shape, "float32")
        for image in range(len(mask)):
            for c in range(mask.shape[-1]):
                own = mask[image, ..., c]
                if own.any() and not own.all():
                    edt = scipy.ndimage.distance_transform_edt
                    result[image, ..., c] = edt(own) + edt(~own)
        return result

    total = 0.0
    for x in (y, p):
        far = tf.numpy_function(distances_of, [x > 0.5], tf.float32, stateful=False)
        total += tf.ensure_shape(far, y.shape) ** 2
    return tf.reduce_mean((p - y) ** 2 * tf.stop_gradient(total))
