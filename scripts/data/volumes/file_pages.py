"""A file in memory by mapping: pages are requested before a read needs them and released before they add up.

Left alone, the system reads around each page that is touched (up to megabytes, by the disk's setting), and pages that
were read count as memory of the process for as long as they stay mapped.
"""

import mmap
import os
from collections.abc import Iterable
from typing import BinaryIO

FAULT_AROUND = 2**16
"""Bytes that Linux maps around a page that is touched for the first time."""
FAR = 2**15
"""Lines further apart than this are requested one by one; nearer ones with what is between them, in one request."""


class FilePages:
    """A file mapped read-only.

    Args:
        file: the file; it may be closed afterwards.
        place: its name for errors.
        needed: bytes that it must have.
        limit: bytes of it to hold mapped.

    Raises:
        ValueError: the file is shorter than `needed`.
    """

    def __init__(self, file: BinaryIO, place: str, needed: int, limit: int) -> None:
        size = os.fstat(file.fileno()).st_size
        check_size(size, needed, place)
        self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.size = size
        self.limit = limit
        self.touched = 0

    def expect(self, blocks: Iterable[int], lines: int, pitch: int, line_bytes: int) -> None:
        """Announce what is read next: from each first byte in `blocks`, so many lines of bytes, `pitch` bytes apart."""
        if self.size <= self.limit or not hasattr(self.map, "madvise"):
            return
        span = (lines - 1) * pitch + line_bytes
        far = pitch > FAR and line_bytes < pitch // 4
        for first in blocks:
            self.touched += min(span + FAULT_AROUND, lines * (line_bytes + FAULT_AROUND))
            if self.touched > self.limit:
                self.map.madvise(mmap.MADV_DONTNEED)  # they stay in the system's page cache: no disk is read again
                self.touched = 0
            for line in range(first, first + span, pitch) if far else (first,):
                start = line - line % mmap.PAGESIZE
                self.map.madvise(mmap.MADV_WILLNEED, start, line - start + (line_bytes if far else span))


def check_size(size: int, needed: int, place: str) -> None:
    """Raise ValueError where a file is too short for the voxels it should hold."""
    if size < needed:
        raise ValueError(
            f"'{place}' is cut off: it has {size:,} bytes where its header promises {needed:,}; "
            "copy or download it again"
        )
