"""What training minimises."""

from scripts.losses.hidden_tokens import HiddenTokenLoss
from scripts.losses.sigmoid_mse import SigmoidMSE
from scripts.losses.soft_dice import SoftDice
from scripts.losses.tanh_mse import TanhMSE
from scripts.losses.weighted_bce import WeightedBCE
from scripts.losses.weighted_sum import LossTerm, OnChannels, WeightedSum

__all__ = [
    "HiddenTokenLoss",
    "LossTerm",
    "OnChannels",
    "SigmoidMSE",
    "SoftDice",
    "TanhMSE",
    "WeightedBCE",
    "WeightedSum",
]
