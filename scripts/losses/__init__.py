"""What training minimises."""

from scripts.losses.hidden_tokens import HiddenTokenLoss

__all__ = ["HiddenTokenLoss"]
