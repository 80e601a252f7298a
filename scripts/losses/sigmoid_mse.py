"""Squared error of maps from 0 to 1 that are no classes."""

import torch
from torch import nn

from scripts.losses.known_voxels import Truth, known_logits, mean_over_known


class SigmoidMSE(nn.Module):
    """Squared error of sigmoid(logits), mean over channels and known voxels of a sample (Sheridan et al. 2023).

    Example:
        >>> target = torch.ones(1, 2, 1, 2, 2)
        >>> known = torch.ones_like(target, dtype=torch.bool)
        >>> SigmoidMSE()(torch.zeros_like(target), (target, known)).item()
        0.25
    """

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Scalar loss of logits (B, C, Z, Y, X) against (target, known) of that shape.

        Raises:
            ValueError: shapes that differ, or a mask that is not bool.
        """
        logits, target, known = known_logits(prediction, truth)
        return mean_over_known((logits.sigmoid() - target).square(), known).mean()
