"""The list of pages of a TIFF, followed to its end, and the few tags of each page that decide what a pixel means."""

import os
import struct
from typing import BinaryIO, NamedTuple

PHOTOMETRIC, X_RESOLUTION, Y_RESOLUTION, ORIENTATION = 262, 282, 283, 274
NUMBERS = {3: "H", 4: "I"}
RATIONAL = 5


class PageTags(NamedTuple):
    """What a page states, by the defaults of the format where it states nothing.

    Attributes:
        photometric: 1, 0 is black; 0, 0 is white; others are colour.
        orientation: 1, rows from top to bottom and left to right.
        resolution: pixels (y, x) of a unit, None where not stated.
    """

    photometric: int = 1
    orientation: int = 1
    resolution: tuple[float | None, float | None] = (None, None)


def read_chain(file: BinaryIO, path: str) -> list[PageTags]:
    """Follow the list of pages to its end; a file that was cut off has a link that leads beyond it.

    Raises:
        ValueError: no TIFF, cut off, or corrupt.
    """
    size = os.fstat(file.fileno()).st_size
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8 or struct.unpack(order + "H", start[2:4])[0] not in (42, 43):
        raise ValueError(f"'{path}' is no TIFF file, or its first bytes are damaged; copy or export it again")
    big = struct.unpack(order + "H", start[2:4])[0] == 43
    count_format, link_format, tag_bytes = ("Q", "Q", 20) if big else ("H", "I", 12)
    count_bytes, link_bytes = struct.calcsize("=" + count_format), struct.calcsize("=" + link_format)
    link = start[8:16] if big else start[4:8]
    pages: list[PageTags] = []
    seen = set()
    while True:
        (place,) = struct.unpack(order + link_format, link) if len(link) == link_bytes else (size,)
        if place == 0 and pages:
            return pages
        if not 0 < place < size or place in seen:
            raise ValueError(
                f"'{path}' is cut off or corrupt: after {len(pages)} pages its list of pages leads to byte {place:,} "
                f"of {size:,}; copy or export it again"
            )
        seen.add(place)
        file.seek(place)
        count = file.read(count_bytes)
        tags = struct.unpack(order + count_format, count)[0] if len(count) == count_bytes else 0
        table = file.read(min(tags * tag_bytes, size))
        file.seek(place + count_bytes + tags * tag_bytes)
        link = file.read(link_bytes)
        pages.append(_page_tags(file, table, order, tag_bytes))


def _page_tags(file: BinaryIO, table: bytes, order: str, tag_bytes: int) -> PageTags:
    found: dict[int, float] = {}
    for begin in range(0, len(table) - tag_bytes + 1, tag_bytes):
        tag, kind = struct.unpack_from(order + "HH", table, begin)
        value = begin + (8 if tag_bytes == 12 else 12)
        if tag in (PHOTOMETRIC, ORIENTATION) and kind in NUMBERS:
            (found[tag],) = struct.unpack_from(order + NUMBERS[kind], table, value)
        elif tag in (X_RESOLUTION, Y_RESOLUTION) and kind == RATIONAL:
            if tag_bytes == 12:
                (place,) = struct.unpack_from(order + "I", table, value)
                file.seek(place)
                stored = file.read(8)
            else:
                stored = table[value : value + 8]
            if len(stored) == 8:
                pixels, units = struct.unpack(order + "II", stored)
                found[tag] = pixels / units if units else float("inf")
    resolution = found.get(Y_RESOLUTION), found.get(X_RESOLUTION)
    return PageTags(int(found.get(PHOTOMETRIC, 1)), int(found.get(ORIENTATION, 1)), resolution)
