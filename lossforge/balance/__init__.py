"""Balances: how the terms of a loss share the gradient. `BALANCES` has them all by name."""

from lossforge.balance.analytic_uncertainty import AnalyticUncertainty
from lossforge.balance.base import BALANCES, Balance, BalanceState
from lossforge.balance.coefficient_of_variation import CoefficientOfVariation
from lossforge.balance.dynamic_average import DynamicAverage
from lossforge.balance.famo import FAMO
from lossforge.balance.fixed_weights import FixedWeights
from lossforge.balance.geometric_mean import GeometricMean
from lossforge.balance.gradients import (
    DBMTL,
    MGDA,
    AlignedMTL,
    AutoLambda,
    CAGrad,
    FairGrad,
    GradDrop,
    GradientBalance,
    GradNorm,
    GradVac,
    ImpartialGradients,
    NashMTL,
    PCGrad,
    UPGrad,
)
from lossforge.balance.impartial_losses import ImpartialLosses
from lossforge.balance.magnitude import Magnitude
from lossforge.balance.random_weights import RandomWeights
from lossforge.balance.relobralo import ReLoBRaLo
from lossforge.balance.smooth_tchebycheff import SmoothTchebycheff
from lossforge.balance.soft_adapt import SoftAdapt
from lossforge.balance.uncertainty import Uncertainty

__all__ = [
    "AlignedMTL",
    "AutoLambda",
    "CAGrad",
    "DBMTL",
    "FairGrad",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "GradientBalance",
    "ImpartialGradients",
    "MGDA",
    "NashMTL",
    "PCGrad",
    "UPGrad",
    "BALANCES",
    "AnalyticUncertainty",
    "Balance",
    "BalanceState",
    "CoefficientOfVariation",
    "DynamicAverage",
    "FAMO",
    "FixedWeights",
    "GeometricMean",
    "ImpartialLosses",
    "Magnitude",
    "RandomWeights",
    "ReLoBRaLo",
    "SmoothTchebycheff",
    "SoftAdapt",
    "Uncertainty",
]
