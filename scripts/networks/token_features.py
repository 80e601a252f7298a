"""Frozen features of the tokens of a volume: those of a pre-trained network, and of grey values to compare with."""

from typing import Protocol

import torch
from torch import nn

from scripts.networks.hybrid import HybridUNet
from scripts.networks.mae import MaskedAutoencoder
from scripts.networks.masked_trunk import MaskedTrunk
from scripts.networks.residual_unet import pool
from scripts.networks.tokens import to_tokens
from scripts.ops.box import Size3


class TokenFeatures(Protocol):
    """Features of every token of a volume.

    Attributes:
        patch: voxels (z, y, x) of a token.
    """

    patch: Size3

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, Z, Y, X) to (B, tokens, width), in the order of `to_tokens`."""


class PretrainedTokens(nn.Module):
    """The tokens of a pre-trained encoder, or the positions of a trunk's coarsest level.

    Args:
        network: a `MaskedAutoencoder` or a `HybridUNet`, whose encoder sees all tokens, or a `MaskedTrunk`, whose token
            is the block of voxels of one position of the coarsest level.

    Raises:
        ValueError: another network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if isinstance(network, MaskedAutoencoder | HybridUNet):
            self.patch: Size3 = network.encoder.patch
        elif isinstance(network, MaskedTrunk):
            self.patch = (1, network.trunk.multiple, network.trunk.multiple)
        else:
            raise ValueError(f"{type(network).__name__} is no network of pre-training: it has no tokens to read out")
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, Z, Y, X) to (B, tokens, width)."""
        if isinstance(self.network, MaskedAutoencoder | HybridUNet):
            encoded: torch.Tensor = self.network.encoder(image)
            return encoded
        trunk = self.network.trunk
        coarsest = trunk.coarsest(pool(trunk.descend(image)[-1]))
        return coarsest.flatten(2).transpose(1, 2)


class GreyMoments(nn.Module):
    """Mean and standard deviation of the grey values of each token.

    Args:
        patch: voxels (z, y, x) of a token.
    """

    def __init__(self, patch: Size3) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, Z, Y, X) to (B, tokens, 2)."""
        deviation, mean = torch.std_mean(to_tokens(image, self.patch), dim=2, correction=0)
        return torch.stack([mean, deviation], dim=2)


class GreyVoxels(nn.Module):
    """All grey values of each token.

    Args:
        patch: voxels (z, y, x) of a token.
    """

    def __init__(self, patch: Size3) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, Z, Y, X) to (B, tokens, voxels of a token)."""
        return to_tokens(image, self.patch)
