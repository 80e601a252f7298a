"""What training minimises."""

from scripts.losses.hidden_tokens import HiddenTokenLoss
from scripts.losses.soft_dice import SoftDice
from scripts.losses.tanh_mse import TanhMSE
from scripts.losses.weighted_bce import WeightedBCE
from scripts.losses.weighted_sum import OnChannels, Part, WeightedSum

__all__ = ["HiddenTokenLoss", "OnChannels", "Part", "SoftDice", "TanhMSE", "WeightedBCE", "WeightedSum"]
