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
        offset, offset_nm: of the first voxel of the box, unless it is that of a whole volume without position; in nm
            where the voxel size is known.
    """

    def __init__(self, volume: Volume, box: Box) -> None:
        super().__init__(volume.path, box.shape, volume.dtype, volume.voxel_size_nm)
        self.volume, self.box, self.fork_safe = volume, box, volume.fork_safe
        size = volume.voxel_size_nm
        first = volume.position
        if any(box.start) or first is not None:
            z, y, x = (at + low for at, low in zip(first or (0.0, 0.0, 0.0), box.start, strict=True))
            self.offset = (z, y, x)
        if size is not None and self.offset is not None:
            if volume.offset is None and volume.offset_nm is not None:
                z, y, x = (at + low * edge for at, low, edge in zip(volume.offset_nm, box.start, size, strict=True))
            else:
                z, y, x = (at * edge for at, edge in zip(self.offset, size, strict=True))
            self.offset_nm = (z, y, x)

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        return self.volume[tuple(slice(at + a, at + b) for at, a, b in zip(self.box.start, low, high, strict=True))]

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.volume.close()
