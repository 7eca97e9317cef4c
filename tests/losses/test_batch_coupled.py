"""What the base promises for losses whose values depend on the rest of the batch."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.testing import values_of


class DistanceToMean(lossforge.Loss):
    """Squared distance to the mean of the examples that count."""

    batch_coupled = True

    def call_valid(self, y_true, y_pred, counts):
        valid = ops.cast(ops.reshape(counts, (-1,)), y_pred.dtype)[:, None]
        mean = ops.sum(valid * y_pred, axis=0) / ops.maximum(ops.sum(valid), 1.0)
        return ops.sum(ops.square(y_pred - mean), axis=-1)


X = np.array([[1.0], [100.0], [3.0]])


def test_zero_weight_leaves_an_example_out_of_statistics():
    assert values_of(DistanceToMean(), X, X, [1.0, 0.0, 1.0]).tolist() == [1.0, 0.0, 1.0]


def test_column_weights_are_understood():
    weight = np.array([[1.0], [0.0], [2.0]])
    assert values_of(DistanceToMean(), X, X, weight).tolist() == [1.0, 0.0, 2.0]


def test_mask_leaves_an_example_out_of_statistics_and_of_the_mean():
    x = ops.convert_to_tensor(X, "float32")
    x._keras_mask = ops.convert_to_tensor([True, False, True])
    assert float(DistanceToMean()(X, x)) == 1.0


def test_without_weights_every_example_counts():
    assert float(DistanceToMean()(X[::2], X[::2])) == 1.0


def test_hard_examples_pass_on_what_counts():
    hard = lossforge.HardExamples(DistanceToMean(), keep=1.0, reduction="sum")
    assert float(hard(X, X, [1.0, 0.0, 1.0])) == 2.0


def test_a_loss_without_call_says_so():
    class Nothing(lossforge.Loss):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must define call"):
        Nothing()([1.0], [1.0])


def test_it_trains_through_fit_with_sample_weight():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.0), DistanceToMean(), weighted_metrics=[])
    weight = np.array([1.0, 0.0, 1.0])
    history = model.fit(X, X, sample_weight=weight, batch_size=3, verbose=0)
    slope = float(ops.squeeze(model.trainable_variables[0]))
    assert history.history["loss"][0] == pytest.approx(slope**2 * 2 / 3, rel=1e-5)
