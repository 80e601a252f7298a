"""A box of a volume as a volume of its own, at its position."""

import numpy as np

from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box, Offset3


class VolumePart(Volume):
    """A box of a volume.

    Args:
        volume: the volume that is read.
        box: the part, in its voxels.

    Attributes:
        path, dtype, voxel_size_nm: those of the volume.
        offset_nm: of the first voxel of the box, where the voxel size is known and it is not that of a whole volume
            without position.
    """

    def __init__(self, volume: Volume, box: Box) -> None:
        super().__init__(volume.path, box.shape, volume.dtype, volume.voxel_size_nm)
        self.volume, self.box, self.fork_safe = volume, box, volume.fork_safe
        size = volume.voxel_size_nm
        if size is not None and (any(box.start) or volume.offset_nm is not None):
            first = volume.offset_nm or (0.0, 0.0, 0.0)
            z, y, x = (at + low * edge for at, low, edge in zip(first, box.start, size, strict=True))
            self.offset_nm = (z, y, x)

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        return self.volume[tuple(slice(at + a, at + b) for at, a, b in zip(self.box.start, low, high, strict=True))]

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.volume.close()
