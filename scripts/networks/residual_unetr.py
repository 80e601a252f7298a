"""A UNETR whose decoder is a residual U-Net: convolutions of the image at every level, and the encoder's taps added."""

from collections.abc import Sequence

import torch
from torch import nn

from scripts.networks.encoder_protocol import VolumeEncoder
from scripts.networks.residual_unet import ResidualUNet, pool
from scripts.networks.unetr import as_volume, check_taps
from scripts.networks.upsampling import upsampling_factors

FOLD = 2
"""Voxels along y and x that are one position of the finest level."""


class ResidualUNETR(nn.Module):
    """Add an encoder's taps to the levels of a `ResidualUNet`, the last tap to the coarsest; gives logits.

    The levels halve the plane from half of its resolution to the tokens', so a patch of 1x8x8 has three. What brings
    a tap to its level starts at zero: until it is trained the network computes exactly what its convolutions do.

    Args:
        encoder: kept as attribute `encoder`; sees all tokens. Its final norm acts on the last tap, those of `joins` on
            the others.
        out_channels: channels of the output.
        taps: blocks after which tokens are taken, one for each doubling of the patch; `even_taps(depth, patch)`.
        widths: channels from the coarsest level to half resolution. A patch of fewer doublings uses the finest.

    Raises:
        ValueError: a patch of more than one section, or of other y and x than the same power of two from 4 up; taps
            that `UNETR` refuses; too few widths.

    Example:
        >>> from scripts.networks import Encoder, even_taps
        >>> encoder = Encoder((1, 4, 4), width=24, depth=2, heads=2)
        >>> network = ResidualUNETR(encoder, out_channels=3, taps=even_taps(2, encoder.patch), widths=(8, 4))
        >>> network(torch.zeros(1, 1, 2, 8, 8)).shape
        torch.Size([1, 3, 2, 8, 8])
    """

    taps: list[int]

    def __init__(self, encoder: VolumeEncoder, out_channels: int, taps: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        steps = upsampling_factors(encoder.patch)
        check_patch(encoder.patch)
        check_taps(taps, encoder.depth, len(steps))
        if len(widths) < len(steps) or min(widths) < 1:
            raise ValueError(
                f"widths {list(widths)} must be {len(steps)} or more positive numbers: one for each level, of which "
                f"the patch {encoder.patch} has {len(steps)}"
            )
        levels = [int(width) for width in reversed(widths[-len(steps) :])]
        forms = ["23" if i < 2 else "233" for i in range(len(levels))]
        self.encoder = encoder
        self.taps = [int(tap) for tap in taps]
        self.trunk = ResidualUNet(out_channels, levels, forms, FOLD, encoder.in_channels)
        joined = [self.trunk.pooled_width, *reversed(levels[:-1])]
        self.joins = nn.ModuleList([TapJoin(encoder.width, width, 2**i, i > 0) for i, width in enumerate(joined)])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X), y and x multiples of the patch, to (B, out_channels, Z, Y, X) logits."""
        levels = self.trunk.descend(image)
        volume = pool(levels[-1])
        grid = (volume.shape[2], volume.shape[3], volume.shape[4])
        taps = self.encoder.taps(image, self.taps)
        for i, join in enumerate(self.joins):
            joined = join(taps[-1 - i], grid)
            if i == 0:
                volume = volume + joined
            else:
                levels[-i] = levels[-i] + joined
        return self.trunk.ascend(levels, self.trunk.coarsest(volume))


class TapJoin(nn.Module):
    """Bring tokens to a level of the trunk: a norm, then one block of voxels for each token, zero at the start.

    Args:
        channels: of a token.
        width: channels of the level.
        factor: positions of the level along y and x for each token.
        norm: whether the tokens are normalised first; the encoder does so with those of its last block.
    """

    def __init__(self, channels: int, width: int, factor: int, norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels) if norm else nn.Identity()
        self.up = nn.ConvTranspose3d(channels, width, (1, factor, factor), stride=(1, factor, factor), bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, tokens: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """(B, N, channels) tokens of a grid (gz, gy, gx) to (B, width, gz, gy * factor, gx * factor)."""
        return self.up(as_volume(self.norm(tokens), grid))


def check_patch(patch: Sequence[int]) -> None:
    """Raise ValueError for a patch that a fold and poolings in plane do not undo."""
    if patch[0] != 1 or patch[1] < 2 * FOLD:
        raise ValueError(
            f"patch {tuple(patch)} (z, y, x): a residual UNETR takes patches of one section and {2 * FOLD} voxels or "
            "more in plane, such as 1x8x8; use --unetr_form published, or pre-train with such a patch"
        )
