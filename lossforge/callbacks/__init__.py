"""Callbacks that show and steer the terms of a loss."""

from lossforge.callbacks.anneal import Anneal
from lossforge.callbacks.balancing import Balancing
from lossforge.callbacks.curriculum import Curriculum
from lossforge.callbacks.dynamic_weight_average import DynamicWeightAverage
from lossforge.callbacks.grad_norm import GradNorm
from lossforge.callbacks.gradient_monitor import GradientMonitor
from lossforge.callbacks.loss_monitor import LossMonitor
from lossforge.callbacks.loss_scale_monitor import LossScaleMonitor
from lossforge.callbacks.loss_warmup import LossWarmup
from lossforge.callbacks.ohem import OHEM
from lossforge.callbacks.stop_on_nan import StopOnNaN
from lossforge.callbacks.temperature_annealing import TemperatureAnnealing
from lossforge.callbacks.uncertainty_weighting import UncertaintyWeighting

__all__ = [
    "Anneal",
    "Balancing",
    "Curriculum",
    "DynamicWeightAverage",
    "GradNorm",
    "GradientMonitor",
    "LossMonitor",
    "LossScaleMonitor",
    "LossWarmup",
    "OHEM",
    "StopOnNaN",
    "TemperatureAnnealing",
    "UncertaintyWeighting",
]
