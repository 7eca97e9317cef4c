"""GradNorm as a callback."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from lossforge import balance
from lossforge.callbacks.balancing import Balancing


class GradNorm(Balancing):
    """`Balancing(balance.GradNorm(...))`: weights that make the gradients of all terms as long as
    their training rates say. On TensorFlow.

    >>> GradNorm(alpha=1.0).balance
    GradNorm(alpha=1.0)

    Args:
        alpha: of `lossforge.balance.GradNorm`.
        learning_rate: of `lossforge.balance.GradNorm`.
        shared: a layer, or a list of layers, whose gradients count; the paper takes the last shared
            layer. By default every weight that two terms reach.
    """

    def __init__(
        self,
        alpha: float = 1.5,
        learning_rate: float = 0.025,
        shared: keras.layers.Layer | Sequence[keras.layers.Layer] | None = None,
    ) -> None:
        super().__init__(balance.GradNorm(alpha, learning_rate), shared=shared)
