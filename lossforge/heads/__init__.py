"""Layers that own what other libraries hide inside a loss."""

from lossforge.heads.centres import Centres
from lossforge.heads.cosine_head import CosineHead
from lossforge.heads.running_targets import RunningTargets

__all__ = ["Centres", "CosineHead", "RunningTargets"]
