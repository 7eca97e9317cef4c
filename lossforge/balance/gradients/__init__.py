"""Balances that need the gradient of each term on the weights that terms share."""

from lossforge.balance.gradients.aligned import AlignedMTL
from lossforge.balance.gradients.auto_lambda import AutoLambda
from lossforge.balance.gradients.bargaining import FairGrad, NashMTL
from lossforge.balance.gradients.base import GradientBalance
from lossforge.balance.gradients.conflict import CAGrad
from lossforge.balance.gradients.dual_based import DBMTL
from lossforge.balance.gradients.dual_cone import UPGrad
from lossforge.balance.gradients.grad_norm import GradNorm
from lossforge.balance.gradients.impartial import ImpartialGradients
from lossforge.balance.gradients.least_norm import MGDA
from lossforge.balance.gradients.projection import GradVac, PCGrad
from lossforge.balance.gradients.sign_drop import GradDrop

__all__ = [
    "CAGrad",
    "DBMTL",
    "MGDA",
    "AlignedMTL",
    "AutoLambda",
    "FairGrad",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "GradientBalance",
    "ImpartialGradients",
    "NashMTL",
    "PCGrad",
    "UPGrad",
]
