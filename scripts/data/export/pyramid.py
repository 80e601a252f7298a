"""The coarser levels of a volume: by which factors, and how a block of one is made from the level before."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scripts.data.volumes.downsampled import block_means
from scripts.ops.box import Size3
from scripts.ops.labels.block_modes import block_modes

MAX_LEVELS = 10
ALIKE = 1.5
"""An axis is halved while its voxels are no longer than this times the shortest edge."""


class PyramidLevel(NamedTuple):
    """A level of a pyramid.

    Attributes:
        shape: voxels (z, y, x).
        step: voxels of the level before that become one, (z, y, x); 1, 1, 1 for the finest.
        factors: voxels of the finest level that become one, (z, y, x).
    """

    shape: Size3
    step: Size3
    factors: Size3


def pyramid_levels(
    shape: Sequence[int], voxel_size_nm: Sequence[float] | None, smallest: Sequence[int]
) -> list[PyramidLevel]:
    """The levels of a pyramid, the finest first, until a section fits `smallest`.

    Each level halves the axes along which voxels are short, so that anisotropic voxels grow towards cubes: 30 x 6 x 6
    nm is halved in plane twice and then along z too. Without a voxel size only the plane is halved.

    Args:
        shape: voxels (z, y, x) of the finest level.
        voxel_size_nm: (z, y, x) in nm, if known.
        smallest: voxels (z, y, x) below which an axis is not halved; a chunk.
    """
    size = [3.0, 1.0, 1.0] if voxel_size_nm is None else list(map(float, voxel_size_nm))
    keep_z = voxel_size_nm is None
    current, factors = tuple(map(int, shape)), (1, 1, 1)
    levels = [PyramidLevel((current[0], current[1], current[2]), (1, 1, 1), (1, 1, 1))]
    while len(levels) < MAX_LEVELS:
        longer = [extent > least for extent, least in zip(current, smallest, strict=True)]
        longer[0] = longer[0] and not keep_z
        shortest = min((edge for edge, long in zip(size, longer, strict=True) if long), default=0.0)
        halved = [long and edge <= ALIKE * shortest for edge, long in zip(size, longer, strict=True)]
        if not any(halved[1:]):
            break
        step = (1 + halved[0], 1 + halved[1], 1 + halved[2])
        size = [edge * by for edge, by in zip(size, step, strict=True)]
        current = tuple(-(-extent // by) for extent, by in zip(current, step, strict=True))
        factors = (factors[0] * step[0], factors[1] * step[1], factors[2] * step[2])
        levels.append(PyramidLevel((current[0], current[1], current[2]), step, factors))
    return levels


def levels_of_factors(shape: Sequence[int], factors: Sequence[Size3]) -> list[PyramidLevel]:
    """The levels of a pyramid of given factors, the finest first.

    Args:
        shape: voxels (z, y, x) of the finest level.
        factors: of each level, voxels (z, y, x) of the finest one that become one; multiples of those before.
    """
    levels: list[PyramidLevel] = []
    before: Sequence[int] = (1, 1, 1)
    for z, y, x in factors:
        step = (z // before[0], y // before[1], x // before[2])
        depth, height, width = (-(-extent // by) for extent, by in zip(shape, step, strict=True))
        levels.append(PyramidLevel((depth, height, width), step, (z, y, x)))
        shape, before = levels[-1].shape, (z, y, x)
    return levels


def downsample(voxels: np.ndarray, step: Sequence[int], labels: bool) -> np.ndarray:
    """One voxel for each block of `step` voxels: the mean of grey values, the most frequent of labels.

    Args:
        voxels: (..., z, y, x); at the end of an axis the last block may be smaller.
        step: voxels (z, y, x) of a block.
        labels: whether the voxels are ids.
    """
    if voxels.ndim > 3:
        return np.stack([downsample(channel, step, labels) for channel in voxels])
    if labels:
        return block_modes(voxels, step)
    padding = [(0, -extent % by) for extent, by in zip(voxels.shape, step, strict=True)]
    return block_means(np.pad(voxels, padding, mode="edge"), step)
