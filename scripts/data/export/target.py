"""What every volume that is written block by block shows."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from scripts.data.export.pyramid import PyramidLevel
from scripts.ops.box import Offset3, Size3

BLOCK_BYTES = 2**26


class Description(NamedTuple):
    """What is written, whatever the format.

    Attributes:
        shape: voxels (z, y, x).
        dtype: type of a voxel.
        voxel_size_nm, offset_nm: edge lengths of a voxel and position of the first one, (z, y, x) in nm, if known; the
            position in voxels where the size is not known.
        labels: whether the voxels are ids.
        channels: of a prediction; None for an array (z, y, x).
        name: of the image.
    """

    shape: Size3
    dtype: np.dtype
    voxel_size_nm: tuple[float, float, float] | None
    offset_nm: tuple[float, float, float] | None
    labels: bool
    channels: int | None = None
    name: str = "image"


class Target(ABC):
    """A pyramid on disk. Blocks may be written in any order, and again; each covers whole chunks.

    Attributes:
        levels: the finest first.
        chunks: voxels (z, y, x) of a chunk.
    """

    levels: Sequence[PyramidLevel]
    chunks: Size3
    description: Description

    @abstractmethod
    def write(self, level: int, low: Offset3, voxels: np.ndarray) -> None:
        """Put a block (z, y, x), or (channels, z, y, x), with its first voxel at `low` of a level.

        Raises:
            OSError: it cannot be written.
        """

    @abstractmethod
    def read(self, level: int, low: Offset3, high: Offset3) -> np.ndarray:
        """The voxels of a box of a level that were written."""

    def blocks(self, level: int) -> Iterator[tuple[Offset3, Offset3]]:
        """Boxes `[low, high)` of whole chunks that cover a level, in raster order, of some 64 MiB when read."""
        shape, step = self.levels[level].shape, self.levels[level].step
        voxel = self.description.dtype.itemsize * (self.description.channels or 1) * int(np.prod(step))
        block = list(self.chunks)
        for axis in (2, 1, 0):  # grow along x first: the order of most sources
            while block[axis] < shape[axis] and int(np.prod(block)) * voxel * 2 <= BLOCK_BYTES:
                block[axis] *= 2
        for z in range(0, shape[0], block[0]):
            for y in range(0, shape[1], block[1]):
                for x in range(0, shape[2], block[2]):
                    yield (
                        (z, y, x),
                        (
                            min(z + block[0], shape[0]),
                            min(y + block[1], shape[1]),
                            min(x + block[2], shape[2]),
                        ),
                    )
