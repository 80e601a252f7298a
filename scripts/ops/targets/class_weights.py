"""How much each voxel of a target counts, so that the rarer of its two classes weighs as much as the other."""

import torch


def positive_fraction(target: torch.Tensor, known: torch.Tensor, low: float = 0.05, high: float = 0.95) -> torch.Tensor:
    """(B,) share of positive voxels among the known ones of each sample, over its channels, clipped to [low, high].

    The clip is that of Lin et al. 2021: no class weighs more than 19 times the other. A sample without a known voxel
    has `low`.

    Args:
        target: (B, ...) between 0 and 1.
        known: bool, of the target's shape.
        low: smallest fraction.
        high: largest fraction.
    """
    positive = torch.where(known, target.float(), 0.0).flatten(1).sum(1)
    return (positive / known.flatten(1).sum(1).clamp(min=1)).clamp(low, high)


def class_weights(target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """(B, ...) float32 weights of a (B, ...) target: 1 for the commoner class, max(r, 1 - r) / min(r, 1 - r) otherwise.

    r is `positive_fraction`, one number a sample: samples of a batch do not see each other (Lin et al. 2021). Unknown
    voxels get a weight too; it is the loss that leaves them out.

    Raises:
        ValueError: a mask that is not bool or not of the target's shape.
    """
    if known.dtype != torch.bool or known.shape != target.shape:
        raise ValueError(
            f"known {known.dtype} {list(known.shape)} must be bool and of the target's shape {list(target.shape)}"
        )
    share = positive_fraction(target, known).view(-1, *[1] * (target.ndim - 1))
    rarer = torch.where(share < 0.5, target.float(), 1 - target.float())
    return 1 + (torch.maximum(share, 1 - share) / torch.minimum(share, 1 - share) - 1) * rarer
