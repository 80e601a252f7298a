"""The chunks of N5 and precomputed volumes: are there any, and how many were never written?"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from scripts.data.volumes.cloud import CloudVolume, Store
from scripts.data.volumes.remote_chunks import Index, check_found, found_chunk, not_found

COUNTED = 200_000
"""Chunks up to which those of a folder are counted."""


@dataclass(frozen=True)
class ChunkFiles:
    """The files of chunks in a folder.

    Args:
        folder: of the array; folders in it with a number as their name are of the array too.
        name: regular expression of the name of a file with a chunk.
        total: files there could be; None where that is not known.

    Example:
        >>> len(ChunkFiles("absent", r"[0-9]+", 4).remarks())
        1
    """

    folder: str
    name: str
    total: int | None

    def __iter__(self) -> Iterator[str]:
        """Names of the files."""
        fits = re.compile(self.name)
        for _, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if name.isdigit()]
            yield from (name for name in files if fits.fullmatch(name))

    def remarks(self) -> list[str]:
        """Chunks that were never written; nothing where all are there or where there are too many to count."""
        if self.total is None or self.total > COUNTED:
            return []
        missing = self.total - sum(1 for _ in islice(self, self.total))
        return [f"{missing:,} of {self.total:,} chunks were never written and read as 0"] if missing else []


def check_chunks(
    volume: CloudVolume,
    store: Store,
    files: ChunkFiles,
    names: Sequence[tuple[Sequence[int], Callable[[Index], str]]],
) -> None:
    """Make sure that a chunk is stored, and let the volume remark on those that are not.

    Args:
        volume: just opened.
        store: where its chunks are: a folder, whose files are listed, or an address, where some are requested.
        files: of a folder.
        names: for an address, ways in which chunks may be named: chunks along each axis, and the name of one.

    Raises:
        ValueError: not one chunk is stored.
    """
    if "://" not in store.address:
        if next(iter(files), None) is None:
            packed = ChunkFiles(files.folder, rf"(?:{files.name})\.(?:gz|br|zst)", None)
            check_unpacked(next(iter(packed), None), volume.path)
            check_found(False, volume.shape, 0, volume.path)
        volume.files = files
        return
    found = [found_chunk(store, grid, name) for grid, name in names]
    if not any(found):
        check_found(None if None in found else False, volume.shape, 0, volume.path)
        volume.noted = not_found(volume.shape)


def check_unpacked(file: str | None, place: str) -> None:
    """Raise ValueError where a folder holds chunks that only a web server unpacks."""
    if file is not None:
        kind = file.rpartition(".")[2]
        raise ValueError(
            f"'{place}' has chunks that are packed once more ('{file}'), which are read at an address and not in a "
            f"folder; unpack its files *.{kind} in place, or write the volume without that compression"
        )


def chunk_grid(sizes: Sequence[int], chunk: Sequence[int]) -> list[int]:
    """Chunks along each axis."""
    return [-(-int(size) // int(extent)) for size, extent in zip(sizes, chunk, strict=True)]


def chunk_count(grid: Sequence[int]) -> int:
    """Chunks of a grid."""
    return int(np.prod(grid, dtype=object))
