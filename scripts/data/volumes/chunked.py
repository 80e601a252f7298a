"""Volumes that are stored in pieces to decode: a crop is put together from the few chunks it touches."""

import itertools
import os
import weakref
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from scripts.data.volumes.chunk_cache import ChunkCache, process_cache
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Offset3

_numbers = itertools.count()


class Opened(NamedTuple):
    """What a process keeps of a chunked volume: its file, its place in the shared cache, and how to release both."""

    file: Any
    cache: ChunkCache
    number: int
    release: Callable[[], object]


class ChunkedVolume(Volume):
    """A volume in a grid of chunks, decoded one at a time and kept in the cache of the process.

    Args:
        path, shape, dtype, voxel_size_nm: as `Volume`.
        chunks: voxels of a chunk (z, y, x).
        cache_mib: budget of decoded chunks in MiB for the whole run; 0 keeps none.
    """

    def __init__(
        self,
        path: str,
        shape: Sequence[int],
        dtype: np.dtype,
        voxel_size_nm: Sequence[float] | None,
        chunks: Sequence[int],
        cache_mib: float,
    ) -> None:
        super().__init__(path, shape, dtype, voxel_size_nm)
        z, y, x = map(int, chunks)
        if min(z, y, x) < 1:
            raise ValueError(f"'{path}' states chunks of {(z, y, x)} voxels (z, y, x); its metadata are damaged")
        self.chunks = (z, y, x)
        self.cache_mib = cache_mib

    @abstractmethod
    def _open_file(self) -> Any:
        """Open the file for this process."""

    @abstractmethod
    def _decode(self, file: Any, place: Offset3) -> np.ndarray:
        """The chunk at `place` in the chunk grid, native byte order; it may be cut at the end of the volume.

        Raises:
            OSError: the chunk cannot be read or decoded.
        """

    @staticmethod
    def _close_file(file: Any) -> None:
        """Close what `_open_file` returned."""

    def _open(self, inherited: Any) -> Opened:
        if inherited is not None:  # never read after a fork: parent and child would share the file's position
            self._close_file(inherited.file)
        file, cache, number = self._open_file(), process_cache(self.cache_mib), next(_numbers)
        return Opened(
            file, cache, number, weakref.finalize(self, _release, os.getpid(), cache, number, file, self._close_file)
        )

    def _close(self, handle: Opened) -> None:
        handle.release()

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        file, cache, number, _ = self._opened()
        (z0, y0, x0), (z1, y1, x1) = low, high
        cz, cy, cx = self.chunks
        rows = range(z0 // cz, (z1 - 1) // cz + 1)
        lines = range(y0 // cy, (y1 - 1) // cy + 1)
        columns = range(x0 // cx, (x1 - 1) // cx + 1)
        # A read larger than the cache would only push everything out of it.
        needed = len(rows) * len(lines) * len(columns) * cz * cy * cx * self.dtype.itemsize
        keep = self.cache_mib > 0 and needed <= cache.limit
        out = np.empty((z1 - z0, y1 - y0, x1 - x0), self.dtype)
        for i in rows:
            zc = i * cz
            za, zb = max(z0, zc), min(z1, zc + cz)
            for j in lines:
                yc = j * cy
                ya, yb = max(y0, yc), min(y1, yc + cy)
                for k in columns:
                    xc = k * cx
                    xa, xb = max(x0, xc), min(x1, xc + cx)
                    chunk = cache.get((number, i, j, k))
                    if chunk is None:
                        chunk = self._decode(file, (i, j, k))
                        if keep:
                            cache.put((number, i, j, k), chunk)
                    out[za - z0 : zb - z0, ya - y0 : yb - y0, xa - x0 : xb - x0] = chunk[
                        za - zc : zb - zc, ya - yc : yb - yc, xa - xc : xb - xc
                    ]
        return out


def _release(pid: int, cache: ChunkCache, number: int, file: Any, close: Callable[[Any], None]) -> None:
    """When a volume is closed or forgotten, in the process that opened it."""
    if pid == os.getpid():
        cache.forget(number)
        close(file)
