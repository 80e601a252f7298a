"""The anisotropic UNETR: a vision transformer read at several depths, up-sampled in plane only (Cheng et al. 2023)."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from scripts.networks.encoder_protocol import VolumeEncoder
from scripts.networks.tokens import token_grid
from scripts.networks.upsampling import upsampling_factors

NORM_GROUPS = 8
"""Groups of channels that are normalised together; fewer where they do not divide the width."""


class ConvNormReLU(nn.Sequential):
    """3x3x3 convolution, group norm, ReLU: (B, C, Z, Y, X) to (B, width, Z, Y, X).

    The norm takes its statistics from the sample at hand, in training and in evaluation alike.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv3d(channels, width, 3, padding=1, bias=False),
            nn.GroupNorm(math.gcd(NORM_GROUPS, width), width),
            nn.ReLU(inplace=True),
        )


class UNETR(nn.Module):
    """An encoder's taps, joined from coarse to fine with a path from the image itself; gives logits.

    A tap is up-sampled until it meets what comes from below: the earlier the tap, the further. With ViT-B, 3 output
    channels and the published widths it has 154.0 M parameters and takes 142.6 G multiply-adds for 6x96x96 voxels.

    Args:
        encoder: kept as attribute `encoder`; sees all tokens. Its final norm acts on the last tap only.
        out_channels: channels of the output.
        taps: blocks after which tokens are taken, one for each doubling of the patch, the last being the encoder's
            last; `even_taps(depth, patch)`.
        widths: channels from the coarsest up-sampled level to the finest, and last those of the image's first
            convolution; (512, 256, 128, 64, 32) as published. A patch of fewer doublings uses the finest of them.

    Raises:
        ValueError: taps that leave blocks without gradient or are too many or few; too few widths; a patch whose y
            and x are not the same power of two.

    Example:
        >>> from scripts.networks import Encoder, even_taps
        >>> encoder = Encoder((1, 4, 4), width=24, depth=2, heads=2)
        >>> network = UNETR(encoder, out_channels=3, taps=even_taps(2, encoder.patch), widths=(8, 4, 4))
        >>> network(torch.zeros(1, 1, 2, 8, 8)).shape
        torch.Size([1, 3, 2, 8, 8])
    """

    taps: list[int]

    def __init__(self, encoder: VolumeEncoder, out_channels: int, taps: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        steps = upsampling_factors(encoder.patch)
        check_taps(taps, encoder.depth, len(steps))
        if out_channels < 1:
            raise ValueError(f"out_channels {out_channels} must be 1 or more")
        if len(widths) <= len(steps) or min(widths) < 1:
            raise ValueError(
                f"widths {list(widths)} must be {len(steps) + 1} or more positive numbers: one for each of the "
                f"{len(steps)} doublings of the patch {encoder.patch}, and one for the image's first convolution"
            )
        *levels, first = [int(width) for width in widths[-len(steps) - 1 :]]
        self.encoder = encoder
        self.patch = encoder.patch
        self.taps = [int(tap) for tap in taps]
        self.rise = _up(encoder.width, levels[0], steps[0])
        self.tap_paths = nn.ModuleList(
            [_tap_path(encoder.width, levels[:count], steps[:count]) for count in range(1, len(steps))]
        )
        self.joins = nn.ModuleList(
            [_join(levels[i], levels[i + 1], steps[i + 1], convolutions=2 if i else 3) for i in range(len(steps) - 1)]
        )
        self.image_path = nn.Sequential(ConvNormReLU(encoder.in_channels, first), ConvNormReLU(first, levels[-1]))
        self.head = nn.Sequential(
            ConvNormReLU(2 * levels[-1], levels[-1]),
            ConvNormReLU(levels[-1], levels[-1]),
            nn.Conv3d(levels[-1], out_channels, 1),
        )
        for part in (self.rise, self.tap_paths, self.joins, self.image_path, self.head[:2]):
            part.apply(_initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X) volume, each size a multiple of the patch, to (B, out_channels, Z, Y, X) logits."""
        grid = token_grid((image.shape[2], image.shape[3], image.shape[4]), self.patch)
        taps = self.encoder.taps(image, self.taps)
        volume = self.rise(as_volume(taps[-1], grid))
        for i, (path, join) in enumerate(zip(self.tap_paths, self.joins)):  # noqa: B905, TorchScript knows no strict
            volume = join(torch.cat([path(as_volume(taps[-2 - i], grid)), volume], dim=1))
        return self.head(torch.cat([self.image_path(image), volume], dim=1))


def check_taps(taps: Sequence[int], depth: int, doublings: int) -> None:
    """Refuse taps of another number than the doublings, or that do not rise from 1 or more to the last block."""
    rising = all(before < after for before, after in pairwise(taps))
    if len(taps) != doublings or not rising or taps[0] < 1 or taps[-1] != depth:
        raise ValueError(
            f"taps {list(taps)} must be {doublings} rising block numbers, one for each doubling of the patch, from 1 "
            f"or more to {depth}, the last block; `even_taps` gives them"
        )


def as_volume(tokens: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """(B, N, width) tokens to (B, width, gz, gy, gx)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], grid[0], grid[1], grid[2])


def _up(channels: int, width: int, step: tuple[int, int, int]) -> nn.ConvTranspose3d:
    """A transposed convolution whose kernel is its stride: no voxel is made of two."""
    return nn.ConvTranspose3d(channels, width, step, stride=step)


def _tap_path(channels: int, widths: Sequence[int], steps: Sequence[tuple[int, int, int]]) -> nn.Sequential:
    """Up-sample and convolve, once for each width."""
    parts: list[nn.Module] = []
    for width, step in zip(widths, steps, strict=True):
        parts += [_up(channels, width, step), ConvNormReLU(width, width)]
        channels = width
    return nn.Sequential(*parts)


def _join(width: int, finer: int, step: tuple[int, int, int], convolutions: int) -> nn.Sequential:
    """Two inputs of a width each, one on top of the other, to the next finer level."""
    parts: list[nn.Module] = [ConvNormReLU(2 * width, width)]
    parts += [ConvNormReLU(width, width) for _ in range(convolutions - 1)]
    return nn.Sequential(*parts, _up(width, finer, step))


def _initialise(module: nn.Module) -> None:
    """He's normal weights for ReLU; each output voxel of a transposed convolution here has one input voxel."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.ConvTranspose3d):
        nn.init.normal_(module.weight, std=math.sqrt(2 / module.in_channels))
        assert module.bias is not None
        nn.init.zeros_(module.bias)
