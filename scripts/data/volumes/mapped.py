"""Volumes whose voxels lie in a file as they are in memory: the file is mapped, and nothing is decoded."""

import mmap
import os
from collections.abc import Sequence
from typing import Any, BinaryIO, Literal

import numpy as np

from scripts.data.volumes.chunk_cache import MIB, share_of_budget
from scripts.data.volumes.volume import Place, Volume

FAULT_AROUND = 2**16
"""Bytes that Linux maps around a page that is touched for the first time."""


class MappedVolume(Volume):
    """A volume that is one block of plain numbers at an offset of a file.

    Pages that were read count as memory of the process though they belong to the system's page cache, so they are
    let go now and then; reading them again costs no disk access while the system keeps them.

    Args:
        path, shape, voxel_size_nm: as `Volume`.
        file: the file that holds the voxels.
        stored: type of a voxel as stored, in the file's byte order.
        offset: first byte of the voxels in the file.
        order: "C" where x varies fastest in the file, "F" where z does.
        cache_mib: pages of the file to hold mapped in MiB, for the whole run.
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
        self._touched = self._touch_limit = 0

    def _open(self, inherited: Any) -> Any:
        self._touched, self._touch_limit = 0, max(share_of_budget(self.cache_mib), MIB)
        if inherited is not None:
            return inherited  # a read-only map stays good through a fork
        with self._bytes() as file:
            pages = map_file(file, self.path, self._offset + self.stored_bytes)
        return pages, self._view(pages)

    def _bytes(self) -> BinaryIO:
        return open(self._file, "rb")

    def _view(self, pages: mmap.mmap) -> Any:
        return np.ndarray(self.shape, self._stored, pages, self._offset, order=self._order)

    def _read(self, low: Place, high: Place) -> np.ndarray:
        pages, view = self._opened()
        (z0, y0, x0), (z1, y1, x1) = low, high
        block = np.array(view[z0:z1, y0:y1, x0:x1], dtype=self.dtype, order="C")
        self._count_touched(pages, block.shape, view.strides)
        return block

    def _count_touched(self, pages: mmap.mmap, extent: Sequence[int], strides: Sequence[int]) -> None:
        """Add the bytes that a read has mapped at most; let all pages go when they exceed the limit."""
        (inner, row), (middle, lines), (_, planes) = sorted(zip(strides, extent, strict=True))
        row_bytes = row * inner + FAULT_AROUND
        self._touched += planes * min(lines * row_bytes, lines * middle + FAULT_AROUND)
        if self._touched > self._touch_limit:
            self._touched = 0
            if hasattr(pages, "madvise"):
                pages.madvise(mmap.MADV_DONTNEED)

    def _close(self, handle: Any) -> None:
        """The map goes with the last array that looks at it."""


def map_file(file: BinaryIO, place: str, needed: int) -> mmap.mmap:
    """Map a file read-only.

    Raises:
        ValueError: the file is shorter than `needed` bytes.
    """
    check_size(os.fstat(file.fileno()).st_size, needed, place)
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def check_size(size: int, needed: int, place: str) -> None:
    """Raise ValueError where a file is too short for the voxels it should hold."""
    if size < needed:
        raise ValueError(
            f"'{place}' is cut off: it has {size:,} bytes where its header promises {needed:,}; "
            "copy or download it again"
        )
