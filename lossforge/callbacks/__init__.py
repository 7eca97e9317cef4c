"""Callbacks that show and steer the terms of a loss."""

from lossforge.callbacks.loss_monitor import LossMonitor
from lossforge.callbacks.stop_on_nan import StopOnNaN

__all__ = ["LossMonitor", "StopOnNaN"]
