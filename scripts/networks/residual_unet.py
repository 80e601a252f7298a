"""The anisotropic residual U-Net: in-plane pooling and sums for skips (Lee et al. 2017, arXiv:1706.00120).

A volume of serial sections is coarse along z, so every pooling is in plane and the sections keep their number. A fold
moves blocks of 1 x fold x fold voxels into channels before the first convolution, and a pixel shuffle undoes it after
the last: the finest level then costs 1 / fold**2 of what it would at full resolution.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

NORM_GROUPS = 8
"""Groups of channels that are normalised together; fewer where they do not divide the width."""

KERNELS = {"2": (1, 3, 3), "3": (3, 3, 3)}
"""Convolutions by their dimensions, as `forms` names them."""


class Float32GroupNorm(nn.GroupNorm):
    """Group norm in float32 under autocast too; its statistics are those of the sample, whatever the volume."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X) to the same shape, float32."""
        return torch.group_norm(features.float(), self.num_groups, self.weight, self.bias, self.eps)


NORMS = ("group", "batch")
"""Group norm in float32, or batch norm."""


class ResidualBlock(nn.Module):
    """A convolution to a new width, then one or two more with a sum around them.

    Args:
        channels: of the input.
        width: of the output.
        form: dimension of each convolution: "23" is 1x3x3 and 3x3x3, "233" one 3x3x3 more.
        norm: a name of `NORMS`.
    """

    def __init__(self, channels: int, width: int, form: str, norm: str = "group") -> None:
        super().__init__()
        self.first = _convolution(channels, width, form[0], norm)
        self.rest = nn.Sequential(*[_convolution(width, width, dimension, norm) for dimension in form[1:]])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels, Z, Y, X) to (B, width, Z, Y, X)."""
        features = self.first(features)
        return features + self.rest(features)


class ResidualUNet(nn.Module):
    """Levels of residual blocks, each half as fine in plane as the one before, summed on the way up; gives logits.

    Args:
        out_channels: channels of the output.
        widths: channels of each level, finest first; each but the first follows a 1x2x2 max pooling.
        forms: form of each level's `ResidualBlock`, finest first: the dimensions of its convolutions, such as "233".
        fold: voxels along y and x that become channels of one position; 1 keeps full resolution.
        in_channels: channels of the volume.
        norm: "group", or "batch", which learns sooner and whose averages should be taken anew on another volume
            (`refresh_norms`).

    Raises:
        ValueError: fewer than two levels, another number of forms than of widths, a form of other than two or more
            digits 2 and 3, a number below 1, another norm.

    Example:
        >>> network = ResidualUNet(3, widths=(4, 8), forms=("23", "23"), fold=2)
        >>> network(torch.zeros(1, 1, 2, 8, 8)).shape
        torch.Size([1, 3, 2, 8, 8])
    """

    def __init__(
        self,
        out_channels: int,
        widths: Sequence[int] = (32, 48, 64, 80),
        forms: Sequence[str] = ("23", "233", "233", "233"),
        fold: int = 2,
        in_channels: int = 1,
        norm: str = "group",
    ) -> None:
        super().__init__()
        check_levels(widths, forms)
        if norm not in NORMS:
            raise ValueError(f"norm '{norm}' is not one of {', '.join(NORMS)}")
        if min(out_channels, fold, in_channels) < 1:
            raise ValueError(f"out_channels {out_channels}, fold {fold}, in_channels {in_channels} must be 1 or more")
        self.out_channels, self.in_channels, self.fold = out_channels, in_channels, int(fold)
        self.multiple = self.fold * 2 ** (len(widths) - 1)
        self.pooled_width = int(widths[-2])
        finest, folded = int(widths[0]), self.fold**2
        wide, last = (5, 1) if self.fold == 1 else (3, 3)  # a position of a fold already covers its neighbours
        self.stem = nn.Conv3d(in_channels * folded, finest, (1, wide, wide), padding="same")
        self.finest = ResidualBlock(finest, finest, forms[0], norm)
        blocks = [ResidualBlock(*pair, form, norm) for pair, form in zip(pairwise(widths), forms[1:], strict=True)]
        self.down = nn.ModuleList(blocks[:-1])
        self.coarsest = blocks[-1]
        rising = list(zip(widths[:-1], widths[1:], forms[:-1], strict=True))[::-1]
        self.narrow = nn.ModuleList([nn.Conv3d(coarse, fine, 1) for fine, coarse, _ in rising])
        self.up = nn.ModuleList([ResidualBlock(fine, fine, form, norm) for fine, _, form in rising])
        self.head = nn.Conv3d(finest, out_channels * folded, (1, last, last), padding="same")
        for parameter in self.parameters():
            if parameter.dim() == 5:  # faster on a CPU: tests.benchmarks.bench_cpu_speed
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X), y and x multiples of `multiple`, to (B, out_channels, Z, Y, X) logits."""
        levels = self.descend(image)
        return self.ascend(levels, self.coarsest(pool(levels[-1])))

    def descend(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of every level but the coarsest, finest first: (B, width, Z, Y / fold / 2**i, X / fold / 2**i)."""
        if not torch.jit.is_tracing():
            check_image(image, self.in_channels, self.multiple)
        levels = [self.finest(self.stem(fold_plane(image, self.fold)))]
        for block in self.down:
            levels.append(block(pool(levels[-1])))
        return levels

    def ascend(self, levels: list[torch.Tensor], coarsest: torch.Tensor) -> torch.Tensor:
        """Logits (B, out_channels, Z, Y, X) from the features of the coarsest level and those of `descend`."""
        features = coarsest
        for i, (narrow, block) in enumerate(zip(self.narrow, self.up)):  # noqa: B905, TorchScript knows no strict
            features = block(enlarge(narrow(features)) + levels[-1 - i])
        return unfold_plane(self.head(features), self.fold)


def fold_plane(volume: torch.Tensor, fold: int) -> torch.Tensor:
    """Space to depth: (B, C, Z, Y, X) to (B, C * fold * fold, Z, Y / fold, X / fold)."""
    if fold == 1:
        return volume
    b, c, z, y, x = volume.shape
    parted = volume.reshape(b, c, z, y // fold, fold, x // fold, fold)
    return parted.permute(0, 1, 4, 6, 2, 3, 5).reshape(b, c * fold * fold, z, y // fold, x // fold)


def unfold_plane(folded: torch.Tensor, fold: int) -> torch.Tensor:
    """Pixel shuffle, the inverse of `fold_plane`: (B, C * fold * fold, Z, Y, X) to (B, C, Z, Y * fold, X * fold)."""
    if fold == 1:
        return folded
    b, c, z, y, x = folded.shape
    parted = folded.reshape(b, c // (fold * fold), fold, fold, z, y, x)
    return parted.permute(0, 1, 4, 5, 2, 6, 3).reshape(b, c // (fold * fold), z, y * fold, x * fold)


def pool(features: torch.Tensor) -> torch.Tensor:
    """(B, C, Z, Y, X) to the largest values of each 1x2x2 voxels, (B, C, Z, Y / 2, X / 2)."""
    return F.max_pool3d(features, [1, 2, 2])


def enlarge(features: torch.Tensor) -> torch.Tensor:
    """(B, C, Z, Y, X) to (B, C, Z, 2 Y, 2 X), linear in plane."""
    return F.interpolate(features, scale_factor=[1.0, 2.0, 2.0], mode="trilinear", align_corners=False)


def check_levels(widths: Sequence[int], forms: Sequence[str]) -> None:
    """Refuse levels that make no U-Net."""
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths {list(widths)} must be two or more positive numbers of channels, finest level first")
    if len(forms) != len(widths):
        raise ValueError(f"{len(forms)} forms {list(forms)} for {len(widths)} widths {list(widths)}: give one a level")
    wrong = [form for form in forms if len(form) < 2 or set(form) - set(KERNELS)]
    if wrong:
        raise ValueError(f"form {wrong[0]!r} must be two or more digits 2 (1x3x3) and 3 (3x3x3), such as '233'")


def check_image(image: torch.Tensor, channels: int, multiple: int) -> None:
    """Refuse a volume of another number of axes or channels, or of a size that the levels do not divide."""
    if image.dim() != 5 or image.shape[1] != channels:
        raise ValueError(f"input of shape {list(image.shape)}: must be (batch, {channels} channels, z, y, x)")
    if image.shape[3] % multiple != 0 or image.shape[4] % multiple != 0:
        raise ValueError(
            f"sizes {image.shape[3]} along y and {image.shape[4]} along x must be multiples of {multiple}, the fold "
            "times 2 for each pooling: crop or pad the input"
        )


def _convolution(channels: int, width: int, dimension: str, norm: str) -> nn.Sequential:
    """Convolution that keeps the size, norm, ReLU; He's normal weights."""
    convolution = nn.Conv3d(channels, width, KERNELS[dimension], padding="same", bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    normed = nn.BatchNorm3d(width) if norm == "batch" else Float32GroupNorm(math.gcd(NORM_GROUPS, width), width)
    return nn.Sequential(convolution, normed, nn.ReLU(inplace=True))
