"""Size and type of a PNG, JPEG or TIFF section from its first bytes, and whether its end is there."""

import os
import struct
from typing import BinaryIO, NamedTuple

import numpy as np

TAIL = 2**16
PNG_COLOURS = {2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
APPLICATION_1 = 0xE1
ORIENTATION, SHORT = 274, 3
START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class SectionHeader(NamedTuple):
    """Pixels (y, x) and type of a section."""

    shape: tuple[int, int]
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{self.shape[0]} x {self.shape[1]} {self.dtype}"


def section_header(path: str) -> SectionHeader:
    """Read the header of one section.

    Raises:
        ValueError: not the format of its name, cut off, in colour, or of a type that is no plain grey.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (".tif", ".tiff"):
        return _tiff(path)
    with open(path, "rb") as file:
        return _png(file, path) if suffix == ".png" else _jpeg(file, path)


def _png(file: BinaryIO, path: str) -> SectionHeader:
    start = file.read(33)
    if start[:8] != b"\x89PNG\r\n\x1a\n" or start[12:16] != b"IHDR":
        raise _damaged(path, "PNG", "has no PNG header")
    _check_end(file, path, "PNG", b"IEND")
    width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
    if colour != 0:
        raise _coloured(path, PNG_COLOURS.get(colour, f"of colour type {colour}"))
    if bits not in (8, 16):
        raise ValueError(f"section '{path}' has {bits} bits a pixel; save it as 8-bit or 16-bit grey")
    file.seek(33)
    while len(start := file.read(8)) == 8 and start[4:] != b"IDAT":
        if start[4:] == b"tRNS":
            raise _coloured(path, "grey with a transparent value")
        if start[4:] == b"eXIf":
            _check_orientation(file.read(min(struct.unpack(">I", start[:4])[0], TAIL)), path)
            break
        file.seek(struct.unpack(">I", start[:4])[0] + 4, os.SEEK_CUR)
    return SectionHeader((height, width), np.dtype(np.uint8 if bits == 8 else np.uint16))


def _jpeg(file: BinaryIO, path: str) -> SectionHeader:
    if file.read(2) != b"\xff\xd8":
        raise _damaged(path, "JPEG", "has no JPEG header")
    _check_end(file, path, "JPEG", b"\xff\xd9")
    file.seek(2)
    while True:
        marker = file.read(2)
        while marker[1:] == b"\xff":  # fill bytes
            marker = b"\xff" + file.read(1)
        length = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or len(length) < 2:
            raise _damaged(path, "JPEG", "ends within its header")
        if marker[1] == APPLICATION_1:
            content = file.read(struct.unpack(">H", length)[0] - 2)
            if content.startswith(b"Exif\0\0"):
                _check_orientation(content[6:], path)
            continue
        if marker[1] in START_OF_FRAME:
            bits, height, width, channels = struct.unpack(">BHHB", file.read(6))
            if channels != 1:
                raise _coloured(path, f"in {channels} colour channels")
            if bits != 8:
                raise ValueError(f"section '{path}' has {bits} bits a pixel; save it as 8-bit or 16-bit PNG")
            return SectionHeader((height, width), np.dtype(np.uint8))
        file.seek(struct.unpack(">H", length)[0] - 2, os.SEEK_CUR)


def _check_orientation(exif: bytes, path: str) -> None:
    """Refuse an image whose rows are not stored from the top left, by the orientation of its Exif metadata."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return
    (first,) = struct.unpack(order + "I", exif[4:8])
    count = struct.unpack(order + "H", exif[first : first + 2])[0] if len(exif) >= first + 2 else 0
    for place in range(first + 2, min(first + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack(order + "HHIH", exif[place : place + 10])
        if tag == ORIENTATION and kind == SHORT and value not in (0, 1):
            raise ValueError(
                f"section '{path}' states the Exif orientation {value}, by which viewers turn or mirror it; turn its "
                "pixels, and save it without Exif metadata or with the orientation 1"
            )


def _tiff(path: str) -> SectionHeader:
    from scripts.data.volumes.images.tiff import read_layout

    layout = read_layout(path)
    if len(layout.shape) != 2 and layout.shape[0] != 1:
        raise ValueError(
            f"section '{path}' has {layout.shape[0]} pages; open the file itself as a stack, or save one section a file"
        )
    return SectionHeader((layout.shape[-2], layout.shape[-1]), layout.stored.newbyteorder("="))


def _check_end(file: BinaryIO, path: str, kind: str, mark: bytes) -> None:
    """An image that was copied completely ends in its mark, perhaps with a few bytes after it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 64, 0))
    if mark not in file.read():
        file.seek(max(size - TAIL, 0))
        if mark not in file.read():
            raise _damaged(path, kind, f"is cut off after {size:,} bytes")


def _damaged(path: str, kind: str, what: str) -> ValueError:
    return ValueError(f"section '{path}' is no complete {kind} file, it {what}; copy or export it again")


def _coloured(path: str, what: str) -> ValueError:
    return ValueError(f"section '{path}' is {what}, where a section is grey; convert it to 8-bit or 16-bit grey")
