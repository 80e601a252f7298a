"""A residual U-Net with a vision transformer joined at its coarsest level, through a gate that starts at zero.

Its masked pre-training trains both in one run: the encoder sees the kept tokens alone, as in the masked autoencoder,
the trunk a volume whose hidden tokens are zero.
"""

import torch
from torch import nn

from scripts.networks.encoder_protocol import VolumeEncoder
from scripts.networks.masked_trunk import hide_tokens
from scripts.networks.residual_unet import ResidualUNet, pool
from scripts.networks.tokens import spread_tokens
from scripts.networks.unetr import as_volume


class HybridUNet(nn.Module):
    """Add the tokens of an encoder to the coarsest level of a `ResidualUNet`; gives logits.

    The gate is one number a channel, 0 at the start: until it is trained the network computes exactly what its trunk
    does, so a pre-trained encoder cannot make the start worse.

    Args:
        encoder: kept as attribute `encoder`; sees all tokens, or those that are kept. A token must be one position of
            the coarsest level.
        trunk: kept as attribute `trunk`; its head makes the output.

    Raises:
        ValueError: a patch other than 1 x multiple x multiple of the trunk, or another number of input channels.

    Example:
        >>> from scripts.networks import Encoder
        >>> trunk = ResidualUNet(3, widths=(4, 8), forms=("23", "23"), fold=2)
        >>> network = HybridUNet(Encoder((1, 4, 4), width=24, depth=2, heads=2), trunk)
        >>> network(torch.zeros(1, 1, 2, 8, 8)).shape
        torch.Size([1, 3, 2, 8, 8])
    """

    def __init__(self, encoder: VolumeEncoder, trunk: ResidualUNet) -> None:
        super().__init__()
        fitting = (1, trunk.multiple, trunk.multiple)
        if encoder.patch != fitting:
            raise ValueError(
                f"patch {encoder.patch} (z, y, x) does not fit the trunk, whose coarsest level has one position for "
                f"{fitting} voxels: pre-train with that patch, or use a trunk of another fold or number of levels"
            )
        if encoder.in_channels != trunk.in_channels:
            raise ValueError(f"the encoder takes {encoder.in_channels} channels, the trunk {trunk.in_channels}")
        self.patch = encoder.patch
        self.encoder, self.trunk = encoder, trunk
        self.from_tokens = nn.Linear(encoder.width, trunk.pooled_width)
        self.gate = nn.Parameter(torch.zeros(trunk.pooled_width))

    def forward(self, image: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Compute logits, or in pre-training the reconstruction, of a volume.

        Args:
            image: (B, C, Z, Y, X), y and x multiples of the patch.
            kept: (B, K) int64 indices of the tokens that are seen, from `kept_tokens(mask)`; a hidden token adds
                nothing to the coarsest level. None hides nothing.

        Returns:
            (B, out_channels, Z, Y, X).
        """
        levels = self.trunk.descend(hide_tokens(image, kept, self.patch))
        coarsest = pool(levels[-1])
        tokens = self.gate * self.from_tokens(self.encoder(image, kept))
        if kept is not None:
            tokens = spread_tokens(tokens, kept, coarsest[0, 0].numel())
        joined = coarsest + as_volume(tokens, (coarsest.shape[2], coarsest.shape[3], coarsest.shape[4]))
        return self.trunk.ascend(levels, self.trunk.coarsest(joined))
