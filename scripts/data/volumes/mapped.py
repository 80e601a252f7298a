"""Volumes whose voxels are in a file as they are in memory: the file is mapped, and nothing is decoded."""

from collections.abc import Sequence
from typing import Any, BinaryIO, Literal

import numpy as np

from scripts.data.volumes.chunk_cache import MIB, share_of_budget
from scripts.data.volumes.file_pages import FilePages
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Offset3


class MappedVolume(Volume):
    """A volume that is one block of plain numbers at an offset of a file.

    Args:
        path, shape, voxel_size_nm: as `Volume`.
        file: the file with the voxels.
        stored: type of a voxel as stored, in the file's byte order.
        offset: first byte of the voxels in the file.
        order: "C" where x varies fastest in the file, "F" where z does.
        cache_mib: pages of the file to keep mapped in MiB, for the whole run.
    """

    def __init__(
        self,
        path: str,
        file: str,
        shape: Sequence[int],
        stored: np.dtype,
        voxel_size_nm: Sequence[float] | None,
        offset: int = 0,
        order: Literal["C", "F"] = "C",
        cache_mib: float = 128.0,
    ) -> None:
        super().__init__(path, shape, stored, voxel_size_nm)
        self._file, self._stored, self._offset, self._order = file, np.dtype(stored), int(offset), order
        self.stored_bytes = self.nbytes
        self.cache_mib = cache_mib

    def _open(self, inherited: Any) -> tuple[FilePages, Any]:
        limit = max(share_of_budget(self.cache_mib), MIB)
        if inherited is not None:  # a read-only map stays valid after a fork
            inherited[0].limit = limit
            return inherited
        with self._bytes() as file:
            pages = FilePages(file, self.path, self._offset + self.stored_bytes, limit)
        return pages, self._view(pages)

    def _bytes(self) -> BinaryIO:
        return open(self._file, "rb")

    def _view(self, pages: FilePages) -> Any:
        """What `_read` reads from."""
        return np.ndarray(self.shape, self._stored, pages.map, self._offset, order=self._order)

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        pages, view = self._opened()
        (z0, y0, x0), (z1, y1, x1) = low, high
        crop = view[z0:z1, y0:y1, x0:x1]
        first = self._offset + sum(at * stride for at, stride in zip(low, view.strides, strict=True))
        # In the file's order: blocks (sections, where x varies fastest) of lines of voxels.
        (voxel, along), (pitch, lines), (step, blocks) = sorted(zip(crop.strides, crop.shape, strict=True))
        pages.expect(range(first, first + blocks * step, step), lines, pitch, along * voxel)
        return np.array(crop, dtype=self.dtype, order="C")
