"""Callbacks that show and steer the terms of a loss."""

from lossforge.callbacks.anneal import Anneal
from lossforge.callbacks.balancing import Balancing
from lossforge.callbacks.loss_monitor import LossMonitor
from lossforge.callbacks.loss_warmup import LossWarmup
from lossforge.callbacks.stop_on_nan import StopOnNaN

__all__ = ["Anneal", "Balancing", "LossMonitor", "LossWarmup", "StopOnNaN"]
