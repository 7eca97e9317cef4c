"""Callbacks that show and steer the terms of a loss."""

from lossforge.callbacks.loss_monitor import LossMonitor

__all__ = ["LossMonitor"]
