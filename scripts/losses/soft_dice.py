"""Dice: how much do the predicted and the true foreground overlap?"""

import torch
from torch import nn

from scripts.losses.known_voxels import Truth, known_logits


class SoftDice(nn.Module):
    """1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) of p = sigmoid(logits), over the known voxels of a sample.

    The channels of a sample are one set; the loss is the mean over samples (Lin et al. 2021).

    Args:
        smooth: keeps the ratio calm where foreground is scarce, in voxels; above 0.

    Raises:
        ValueError: smooth not above 0.

    Example:
        >>> target = torch.ones(1, 1, 1, 2, 2)
        >>> known = torch.ones_like(target, dtype=torch.bool)
        >>> round(SoftDice(smooth=1.0)(20 * target, (target, known)).item(), 4)
        0.0
    """

    def __init__(self, smooth: float = 100.0) -> None:
        super().__init__()
        if not smooth > 0:
            raise ValueError(f"smooth {smooth} is not above 0: a sample without foreground would divide by 0")
        self.smooth = float(smooth)

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Scalar loss of logits (B, C, Z, Y, X) against (target, known) of that shape.

        Raises:
            ValueError: shapes that differ, or a mask that is not bool.
        """
        logits, target, known = known_logits(prediction, truth)
        predicted, true = torch.where(known, logits.sigmoid(), 0.0).flatten(1), target.flatten(1)
        sizes = predicted.sum(1) + true.sum(1)
        missed = sizes - 2 * (predicted * true).sum(1)
        return (missed / (sizes + self.smooth)).mean()  # the formula without 1 - ratio, which would cancel digits
