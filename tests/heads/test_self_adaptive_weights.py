"""Weights of collocation points climb while the network descends."""

import keras
import numpy as np
import pytest

from lossforge import Residual
from lossforge.heads.self_adaptive_weights import SelfAdaptiveWeights


def test_training_raises_the_weights_of_large_residuals_and_lowers_the_loss_of_the_network():
    points = np.array([[1.0], [1.0], [3.0]], "float32")
    inputs = keras.Input(batch_shape=(3, 1))
    network = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    weights = SelfAdaptiveWeights(points=3)
    model = keras.Model(inputs, weights(network(inputs)))
    model.compile(keras.optimizers.SGD(0.01), loss=Residual())
    model.fit(points, np.zeros((3, 1)), batch_size=3, epochs=1, shuffle=False, verbose=0)
    # d mean((w r)^2) / dw = 2 w r^2 / 3, and the step goes up.
    np.testing.assert_allclose(
        np.asarray(weights.weight), 1 + 0.01 * 2 / 3 * np.array([1, 1, 9]), rtol=1e-5
    )
    assert float(np.asarray(network.kernel)[0, 0]) == pytest.approx(1 - 0.01 * 2 / 3 * 11, rel=1e-5)


def test_config_rebuilds_it():
    layer = SelfAdaptiveWeights(points=3, initial=0.5)
    again = SelfAdaptiveWeights.from_config(layer.get_config())
    assert (again.points, again.initial) == (3, 0.5)


def test_bad_arguments_and_another_number_of_points_are_named():
    with pytest.raises(ValueError, match="points must be an integer of at least 1, got 0"):
        SelfAdaptiveWeights(points=0)
    with pytest.raises(ValueError, match="initial must be above 0, got 0"):
        SelfAdaptiveWeights(points=2, initial=0)
    with pytest.raises(ValueError, match="made for 2 points"):
        SelfAdaptiveWeights(points=2)(np.ones((3, 1)))
