"""Convolutions whose weights are standardised, so that features need no norm (Brock et al. 2021, arXiv:2101.08692)."""

import math
from collections.abc import Sequence

import torch
from torch import nn

RELU_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
"""Keeps the variance of what a ReLU passes on."""
SMALLEST = 1e-4
"""Added to the variance of the weights times their number."""


class StandardisedConv3d(nn.Conv3d):
    """A convolution whose weights of each output channel have mean 0 and a variance that keeps that of its input.

    A learned gain for each output channel scales them. What it computes depends neither on the batch nor on the window
    nor on statistics of the training.

    Args:
        channels: of the input.
        width: of the output.
        kernel: voxels z, y, x.
        gain: at the start.
    """

    def __init__(self, channels: int, width: int, kernel: Sequence[int], gain: float = 1.0) -> None:
        super().__init__(channels, width, (kernel[0], kernel[1], kernel[2]), padding="same")
        assert self.bias is not None
        nn.init.zeros_(self.bias)
        self.gain = nn.Parameter(torch.full((width,), gain))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels, Z, Y, X) to (B, width, Z, Y, X)."""
        return self._conv_forward(features, self.standardised(), self.bias)

    def standardised(self) -> torch.Tensor:
        """(width, channels, *kernel) weights that the convolution takes."""
        flat = self.weight.flatten(1)
        centred = flat - flat.mean(1, keepdim=True)
        scale = RELU_GAIN * self.gain[:, None] * torch.rsqrt(centred.square().sum(1, keepdim=True) + SMALLEST)
        return (centred * scale).reshape(self.weight.shape)
