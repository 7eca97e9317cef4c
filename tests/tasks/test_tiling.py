"""Tiles give what the whole image gives, to the last border pixel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from lossforge.tasks.tiling import reach, tiled
from lossforge.tasks.upscalers.residual import compact


def varied(network):
    """Weights without structure, so that every pixel of the reach matters."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.normal(0.0, 0.1, weight.shape))
    return network


def test_reach_counts_convolutions_and_dilation():
    images = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 5, padding="same")(images)
    x = layers.Conv2D(4, 3, dilation_rate=6, padding="same", activation="relu")(x)
    assert reach(keras.Model(images, x)) == 8
    assert reach(compact(3, channels=4, blocks=2)) == 6


def test_reach_is_unbounded_where_the_whole_image_is_pooled():
    images = keras.Input((None, None, 3))
    x = layers.Multiply()([images, layers.GlobalAveragePooling2D(keepdims=True)(images)])
    assert reach(keras.Model(images, x)) is None


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("size", [(5, 7), (20, 20), (21, 61), (64, 43)])
def test_tiles_leave_no_seam(scale, size):
    network = varied(compact(scale, channels=4, blocks=1))
    images = np.random.default_rng(1).uniform(0, 255, (2, *size, 3)).astype("float32")
    margin = reach(network)
    compute = tf.function(
        lambda x: tiled(network, x, scale, margin, core=20),
        input_signature=[tf.TensorSpec((None, None, None, 3))],
        autograph=False,
    )
    whole = network(images).numpy()
    assert compute(images).shape == whole.shape
    np.testing.assert_allclose(compute(images), whole, rtol=1e-5, atol=1e-3)


def test_a_margin_that_is_too_small_leaves_seams():
    network = varied(compact(2, channels=4, blocks=1))
    images = np.random.default_rng(1).uniform(0, 255, (1, 50, 50, 3)).astype("float32")
    seamed = tiled(network, images, 2, reach(network) - 2, core=20)
    assert np.abs(seamed - network(images)).max() > 1.0
