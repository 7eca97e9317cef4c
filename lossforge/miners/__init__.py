"""Which pairs, triplets or examples a loss should see."""

from lossforge.miners.pair_miners import (
    BatchEasyHardMiner,
    DistanceWeightedMiner,
    HardestShareMiner,
    Miner,
    MultiSimilarityMiner,
    PairMarginMiner,
    RandomMiner,
)

__all__ = [
    "BatchEasyHardMiner",
    "DistanceWeightedMiner",
    "HardestShareMiner",
    "Miner",
    "MultiSimilarityMiner",
    "PairMarginMiner",
    "RandomMiner",
]
