"""The kit sees a loss that takes more memory than it declares."""

import keras
import pytest
from keras import ops

from lossforge.kinds import kind_of
from lossforge.losses.base import Loss
from lossforge.testing import memory_grows_as_declared


class AllTriplets(Loss):
    """Every (anchor, positive, negative) in one tensor, as it should not be."""

    kinds = ("embedding",)
    batch_coupled = True
    memory = "O(B^2)"

    def call_valid(self, y_true, y_pred, counts):
        distances = ops.sum(ops.square(y_pred[:, None] - y_pred[None]), axis=-1)
        hinges = ops.relu(distances[:, :, None] - distances[:, None, :] + 0.2)
        return ops.sum(ops.sin(hinges) * ops.cos(hinges), axis=(1, 2))


class Declared(AllTriplets):
    memory = "O(B^3)"


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="memory is reported through JAX")
def test_more_memory_than_declared_is_seen():
    memory_grows_as_declared(Declared(), kind_of("embedding"))
    with pytest.raises(AssertionError, match="B\\^2"):
        memory_grows_as_declared(AllTriplets(), kind_of("embedding"))
