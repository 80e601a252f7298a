"""A folder of PNG, TIFF or JPEG sections, in the natural order of their names; each section is a chunk."""

import os
import re
from collections.abc import Sequence

import imagecodecs
import numpy as np
import tifffile

from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.section_header import section_header
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Offset3

SUFFIXES = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}


def open_sections(folder: str, voxel_size_nm: Sequence[float] | None, cache_mib: float) -> Volume:
    """The sections of a folder as a volume; images state no voxel size in nm.

    The headers of all sections are read, so that a wrong one is found before it is needed.

    Raises:
        ValueError: no sections, more than one kind of file, or a section that is damaged, coloured or of another size.
    """
    names = section_names(folder)
    first = section_header(os.path.join(folder, names[0]))
    for name in names[1:]:
        header = section_header(os.path.join(folder, name))
        if header != first:
            raise ValueError(
                f"section '{os.path.join(folder, name)}' is {header}, but '{names[0]}' is {first} (y x x); "
                "bring it to that size and type, or move it out of the folder"
            )
    return Sections(folder, (len(names), *first.shape), first.dtype, voxel_size_nm, (1, *first.shape), cache_mib)


class Sections(ChunkedVolume):
    """A folder of sections of one size."""

    def _open_file(self) -> list[str]:
        names = section_names(self.path)
        if len(names) != self.shape[0]:
            raise OSError(
                f"'{self.path}' had {self.shape[0]} sections when it was opened and has {len(names)} now; "
                "open it again, and leave the folder as it is meanwhile"
            )
        return names

    def _decode(self, file: list[str], place: Offset3) -> np.ndarray:
        path = os.path.join(self.path, file[place[0]])
        try:
            section = _pixels(path)
        except (OSError, RuntimeError, ValueError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise OSError(f"section '{path}' is corrupt ({error}); copy or export it again") from error
        if section.shape != self.shape[1:] or section.dtype.newbyteorder("=") != self.dtype:
            raise OSError(
                f"section '{path}' is {section.shape} {section.dtype} where {self.shape[1:]} {self.dtype} was "
                "expected; it has changed since the folder was opened"
            )
        return np.ascontiguousarray(section, dtype=self.dtype)[None]


def section_names(folder: str) -> list[str]:
    """The file names of the sections of a folder, `s2` before `s10`.

    Raises:
        ValueError: there are none, or several kinds.
    """
    entries = [name for name in os.listdir(folder) if not name.startswith(".")]
    names = sorted((name for name in entries if os.path.splitext(name)[1].lower() in SUFFIXES), key=_natural)
    if not names:
        inner = sorted(name for name in entries if os.path.isdir(os.path.join(folder, name)))
        hint = f"; it has the folders {', '.join(inner[:8])}: name the one with the sections" if inner else ""
        raise ValueError(f"folder '{folder}' has no sections (.png, .tif, .tiff, .jpg, .jpeg){hint}")
    kinds = [SUFFIXES[os.path.splitext(name)[1].lower()] for name in names]
    if len(set(kinds)) > 1:
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        raise ValueError(f"folder '{folder}' mixes sections of several kinds ({counts}); keep one kind in a folder")
    return names


def _natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts], name


def _pixels(path: str) -> np.ndarray:
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (".tif", ".tiff"):
        section = tifffile.imread(path, maxworkers=1)
        return section.reshape(section.shape[-2:])
    with open(path, "rb") as file:
        data = file.read()
    return imagecodecs.png_decode(data) if suffix == ".png" else imagecodecs.jpeg8_decode(data)
