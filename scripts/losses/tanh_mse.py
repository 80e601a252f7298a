"""Squared error of distance maps, which lie between -1 and 1."""

import torch
from torch import nn

from scripts.losses.known_voxels import Truth, known_logits, mean_over_known


class TanhMSE(nn.Module):
    """Squared error of tanh(logits): channels summed, mean over the known voxels of each (Lin et al. 2021).

    Example:
        >>> target = torch.ones(1, 1, 1, 2, 2)
        >>> known = torch.ones_like(target, dtype=torch.bool)
        >>> TanhMSE()(torch.zeros_like(target), (target, known)).item()
        1.0
    """

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Scalar loss of logits (B, C, Z, Y, X) against (target, known) of that shape.

        Raises:
            ValueError: shapes that differ, or a mask that is not bool.
        """
        logits, target, known = known_logits(prediction, truth)
        error = (logits.tanh() - target).square()
        return mean_over_known(error.flatten(0, 1), known.flatten(0, 1)).sum() / prediction.shape[0]
