"""A volume at a coarser resolution: blocks of voxels as one, grey values averaged, labels taken from the middle."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from scripts.data.volumes.volume import Volume
from scripts.ops.box import Offset3, Size3

AXES = "zyx"
AS_STORED = (1, 1, 1)
"""Factors that leave a volume as it is."""
SLAB_BYTES = 2**28
"""Stored voxels that are kept in memory while a box is averaged: all sections of a crop, some of a large box."""


class DownsampledVolume(Volume):
    """Grey values of a volume at whole-number factors: each voxel is the mean of a block of stored ones.

    A read takes the blocks of its box from the volume and nothing else. Whole numbers are rounded, halves up. What is
    left at the end of an axis and fills no block is left out.

    Args:
        volume: any volume.
        factors: stored voxels (z, y, x) that are averaged into one.

    Attributes:
        path, dtype: those of the volume.
        shape: of the larger voxels; voxel_size_nm is theirs too.
        volume, factors: as given.

    Raises:
        ValueError: factors that are not three whole numbers from 1 up, or larger than the volume.

    Example:
        >>> DownsampledVolume(ArrayVolume(np.zeros((4, 64, 64), np.uint8)), (1, 2, 2)).shape
        (4, 32, 32)
    """

    def __init__(self, volume: Volume, factors: Sequence[int]) -> None:
        self.volume = volume
        self.factors = checked_factors(factors, volume.shape, volume.path or "the array")
        size = volume.voxel_size_nm
        larger = None if size is None else [edge * factor for edge, factor in zip(size, self.factors, strict=True)]
        super().__init__(volume.path, downsampled_shape(volume.shape, self.factors), volume.dtype, larger)
        self.offset_nm, self.fork_safe, self.orientation = volume.offset_nm, volume.fork_safe, volume.orientation
        if volume.offset is not None:
            z, y, x = (at / factor for at, factor in zip(volume.offset, self.factors, strict=True))
            self.offset = (z, y, x)

    def remarks(self) -> list[str]:
        """Those of the volume."""
        return self.volume.remarks()

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        (z0, y0, x0), (z1, y1, x1), (fz, fy, fx) = low, high, self.factors
        rows, columns = slice(y0 * fy, y1 * fy), slice(x0 * fx, x1 * fx)
        means = np.empty((z1 - z0, y1 - y0, x1 - x0), self.dtype)
        section = fz * (rows.stop - rows.start) * (columns.stop - columns.start) * self.dtype.itemsize
        at_once = max(1, SLAB_BYTES // section)
        for z in range(z0, z1, at_once):
            end = min(z + at_once, z1)
            block = self.volume[z * fz : end * fz, rows, columns]
            means[z - z0 : end - z0] = block_means(block, self.factors)
        return means

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.volume.close()


class DownsampledLabels(DownsampledVolume):
    """Labels of a volume at whole-number factors: each voxel is the one stored voxel in the middle of its block.

    Along an axis that is voxel (factor - 1) // 2 of the block: the one whose centre is nearest the block's, and the
    first of the two that are where the factor is even. So an id is never a mixture, and -1, unknown, stays -1. An
    object without such a voxel is absent.
    """

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        z, y, x = (
            slice(first * factor + (factor - 1) // 2, last * factor, factor)
            for first, last, factor in zip(low, high, self.factors, strict=True)
        )
        return self.volume[z, y, x]


def downsampled_volume(volume: Volume, factors: Sequence[int]) -> Volume:
    """Grey values at whole-number factors (z, y, x), see `DownsampledVolume`; the volume itself where all are 1."""
    checked = checked_factors(factors, volume.shape, volume.path or "the array")
    return volume if checked == AS_STORED else DownsampledVolume(volume, checked)


def downsampled_labels(volume: Volume, factors: Sequence[int]) -> Volume:
    """Labels at whole-number factors (z, y, x), see `DownsampledLabels`; the volume itself where all are 1."""
    checked = checked_factors(factors, volume.shape, volume.path or "the array")
    return volume if checked == AS_STORED else DownsampledLabels(volume, checked)


def downsampled_shape(shape: Sequence[int], factors: Sequence[int]) -> Size3:
    """Whole blocks of `factors` in a `(z, y, x)` shape."""
    z, y, x = (int(size) // factor for size, factor in zip(shape, factors, strict=True))
    return z, y, x


def describe_reduction(volume: Volume) -> str:
    """` (reduced 1 x 2 x 2)` to follow a volume's name in a message; nothing where it is read as it is stored."""
    return f" (reduced {' x '.join(map(str, volume.factors))})" if isinstance(volume, DownsampledVolume) else ""


def checked_factors(factors: Any, shape: Sequence[int], place: str) -> Size3:
    """Three whole numbers from 1 up (z, y, x), none larger than the shape; `place` names the volume in the error.

    Raises:
        ValueError: anything else.
    """
    try:
        wanted = [] if isinstance(factors, str) or any(isinstance(f, bool) for f in factors) else list(factors)
        whole = [operator.index(factor) for factor in wanted]
    except TypeError:
        whole = []
    if len(whole) != 3 or min(whole) < 1:
        raise ValueError(
            f"downsample {factors!r} of {place} is not three whole numbers from 1 up (z, y, x); give for example "
            "[1, 2, 2] for half the resolution in plane, [1, 1, 1] for the voxels as they are stored"
        )
    for axis, factor, size in zip(AXES, whole, shape, strict=True):
        if factor > size:
            raise ValueError(
                f"downsample {whole}: {place} has {size} voxels along {axis}, fewer than the {factor} that would be "
                f"averaged into one; give at most {size} there"
            )
    return whole[0], whole[1], whole[2]


def block_means(voxels: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """The means of blocks of `factors` voxels, (z, y, x) of whole blocks; whole numbers rounded, halves up.

    Whole numbers are added up in a type wide enough for every sum, so the result is exact; real ones as float64.
    """
    count = int(np.prod(factors))
    total = np.zeros(downsampled_shape(voxels.shape, factors), _type_of_sums(voxels.dtype, count))
    for first in np.ndindex(*factors):
        total += voxels[tuple(slice(at, None, step) for at, step in zip(first, factors, strict=True))]
    if voxels.dtype.kind == "f":
        total /= count
    else:
        total += count // 2
        total //= count
    return total.astype(voxels.dtype)


def _type_of_sums(dtype: np.dtype, count: int) -> np.dtype:
    """The smallest type for sums of `count` whole numbers; of Python's own numbers, slow, where none is wide enough."""
    if dtype.kind == "f":
        return np.dtype(np.float64)
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    return np.result_type(np.min_scalar_type(low * count), np.min_scalar_type(high * count + count // 2))
