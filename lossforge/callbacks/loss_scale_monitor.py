"""The loss scale of mixed precision in the logs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class LossScaleMonitor(keras.callbacks.Callback):
    """Logs `loss_scale` after each epoch: one that falls and falls means gradients that overflow.

    Nothing is logged without a `LossScaleOptimizer` (Keras adds one under `mixed_float16`).
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        if logs is not None and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            logs["loss_scale"] = float(ops.convert_to_numpy(optimizer.dynamic_scale))
