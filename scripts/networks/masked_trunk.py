"""Masked pre-training of a residual U-Net: hidden tokens are zero in its input, and it predicts their voxels.

A convolutional network has no tokens to leave out, so the hidden ones are set to the middle of the grey range, which is
0; loss, masks and baselines are those of the masked autoencoder.
"""

from collections.abc import Sequence

import torch
from torch import nn

from scripts.networks.reconstruction_to_grey import voxel_mask
from scripts.networks.residual_unet import ResidualUNet
from scripts.networks.tokens import token_grid
from scripts.ops.box import three_sizes


class MaskedTrunk(nn.Module):
    """A `ResidualUNet` that reconstructs a volume of which it sees the kept tokens alone.

    Args:
        trunk: kept as attribute `trunk`; all its weights but the last layer are transferred later. It has as many
            output channels as input channels.
        patch: voxels (z, y, x) of a token.

    Raises:
        ValueError: another number of output channels.

    Example::

        network = MaskedTrunk(ResidualUNet(out_channels=1), patch=(1, 8, 8))
        reconstruction = network(image, kept_tokens(mask))
    """

    def __init__(self, trunk: ResidualUNet, patch: Sequence[int] = (1, 16, 16)) -> None:
        super().__init__()
        if trunk.out_channels != trunk.in_channels:
            raise ValueError(f"the trunk has {trunk.out_channels} output channels for {trunk.in_channels} of the input")
        self.patch = three_sizes(patch, "patch")
        self.trunk = trunk

    def forward(self, image: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Reconstruct a volume from its kept tokens.

        Args:
            image: (B, C, Z, Y, X), each size a multiple of the patch and of the trunk's `multiple`.
            kept: (B, K) int64 indices of the tokens that are seen, from `kept_tokens(mask)`; None hides nothing.

        Returns:
            (B, C, Z, Y, X): every token's voxels in units of that token's own mean and deviation.
        """
        return self.trunk(hide_tokens(image, kept, self.patch))


def hide_tokens(image: torch.Tensor, kept: torch.Tensor | None, patch: tuple[int, int, int]) -> torch.Tensor:
    """Set the voxels of hidden tokens to 0.

    Args:
        image: (B, C, Z, Y, X), each size a multiple of the patch.
        kept: (B, K) int64 indices of the tokens that stay as they are; None hides nothing.
        patch: voxels (z, y, x) of a token.
    """
    if kept is None:
        return image
    grid = token_grid((image.shape[2], image.shape[3], image.shape[4]), patch)
    hidden = torch.ones(image.shape[0], grid[0] * grid[1] * grid[2], dtype=torch.bool, device=image.device)
    hidden = hidden.scatter(1, kept, False).reshape(image.shape[0], grid[0], grid[1], grid[2])
    return image.masked_fill(voxel_mask(hidden, patch), 0.0)
