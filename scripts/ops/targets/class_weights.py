"""How much each voxel of a target counts, so that the rarer of its two classes weighs as much as the other."""

import torch

BALANCES = ("sample", "channel", "none")
"""What the two classes are counted in: all channels of a sample, each channel of a sample, or nothing."""


def positive_fraction(
    target: torch.Tensor, known: torch.Tensor, low: float = 0.05, high: float = 0.95, leading: int = 1
) -> torch.Tensor:
    """(B,) share of positive voxels among the known ones of each sample, over its channels, clipped to [low, high].

    The clip is that of Lin et al. 2021: no class weighs more than 19 times the other. Without a known voxel it is
    `low`.

    Args:
        target: (B, ...) between 0 and 1.
        known: bool, of the target's shape.
        low: smallest fraction.
        high: largest fraction.
        leading: axes that the result keeps; 2 for (B, C), the share of each channel.
    """
    positive = torch.where(known, target.float(), 0.0).flatten(leading).sum(leading)
    return (positive / known.flatten(leading).sum(leading).clamp(min=1)).clamp(low, high)


def class_weights(target: torch.Tensor, known: torch.Tensor, balance: str = "sample") -> torch.Tensor:
    """(B, ...) float32 weights of a (B, ...) target: 1 for the commoner class, max(r, 1 - r) / min(r, 1 - r) otherwise.

    r is `positive_fraction`, one number a sample: samples of a batch do not see each other (Lin et al. 2021). Unknown
    voxels get a weight too; it is the loss that leaves them out.

    Args:
        target: (B, ...) between 0 and 1.
        known: bool, of the target's shape.
        balance: "sample"; "channel": r of each channel of a (B, C, ...) target; "none": all weights are 1.

    Raises:
        ValueError: a mask that is not bool or not of the target's shape, or another balance.
    """
    if known.dtype != torch.bool or known.shape != target.shape:
        raise ValueError(
            f"known {known.dtype} {list(known.shape)} must be bool and of the target's shape {list(target.shape)}"
        )
    check_balance(balance)
    if balance == "none":
        return torch.ones_like(target, dtype=torch.float32)
    leading = 2 if balance == "channel" else 1
    share = positive_fraction(target, known, leading=leading)
    share = share.view(*share.shape, *[1] * (target.ndim - leading))
    rarer = torch.where(share < 0.5, target.float(), 1 - target.float())
    return 1 + (torch.maximum(share, 1 - share) / torch.minimum(share, 1 - share) - 1) * rarer


def check_balance(balance: str) -> None:
    """Raise ValueError for a balance that is none of `BALANCES`."""
    if balance not in BALANCES:
        raise ValueError(f"balance {balance!r} of the classes is not one of {', '.join(BALANCES)}")
