"""Layers that own what other libraries hide inside a loss."""

from lossforge.heads.centres import Centres
from lossforge.heads.cosine_head import CosineHead
from lossforge.heads.memories import CrossBatchMemory, KeyQueue, RunningCentre
from lossforge.heads.running_statistics import (
    RunningClassCounts,
    RunningGradients,
    RunningHistogram,
)
from lossforge.heads.running_targets import RunningTargets
from lossforge.heads.sampled_cosine_head import SampledCosineHead
from lossforge.heads.transitions import Transitions

__all__ = [
    "Centres",
    "CosineHead",
    "CrossBatchMemory",
    "KeyQueue",
    "RunningCentre",
    "RunningClassCounts",
    "RunningGradients",
    "RunningHistogram",
    "RunningTargets",
    "SampledCosineHead",
    "Transitions",
]
