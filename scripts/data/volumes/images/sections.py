"""A folder of PNG, TIFF or JPEG sections, in the natural order of their names; each section is a chunk."""

import itertools
import os
import re
from collections.abc import Sequence

import imagecodecs
import numpy as np
import tifffile

from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.images.section_header import section_header
from scripts.data.volumes.images.tiff_tags import check_tags, inverted
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Offset3

SUFFIXES = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}

SPARSE = 10
"""A series of numbers that are further apart than this on average counts something else than sections."""


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

    def remarks(self) -> list[str]:
        """Numbers that are missing from the series of file names, and names of several series."""
        names = section_names(self.path)
        missing, series = missing_numbers(names), series_of_names(names)
        if len(series) > 1:
            return [
                f"its sections have names of {len(series)} series ({', '.join(series[:4])}), which are read one after "
                "the other; keep one series in a folder"
            ]
        if not missing:
            return []
        some = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        return [
            f"{len(missing)} numbers are missing from its series of sections ({some}): the sections after them are "
            "counted on without a gap, so labels with all sections do not fit; add the missing files, or black ones"
        ]

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
        except Exception as error:  # the decoders raise many kinds
            if isinstance(error, FileNotFoundError) or f"'{path}'" in str(error):
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
    files = [name for name in entries if not os.path.isdir(os.path.join(folder, name))]
    names = sorted((name for name in files if os.path.splitext(name)[1].lower() in SUFFIXES), key=_natural)
    if not names:
        inner = sorted(name for name in entries if os.path.isdir(os.path.join(folder, name)))
        hint = f"; it has the folders {', '.join(inner[:8])}: name the one with the sections" if inner else ""
        raise ValueError(f"folder '{folder}' has no sections (.png, .tif, .tiff, .jpg, .jpeg){hint}")
    kinds = [SUFFIXES[os.path.splitext(name)[1].lower()] for name in names]
    if len(set(kinds)) > 1:
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        raise ValueError(f"folder '{folder}' mixes sections of several kinds ({counts}); keep one kind in a folder")
    return names


def missing_numbers(names: Sequence[str]) -> list[int]:
    """The numbers that a series of file names leaves out: 2 of `s000.png, s001.png, s003.png`.

    Where names have several numbers, it is the only one that changes; series that count in steps have no gap where
    all steps are the same.
    """
    numbers = [[int(n) for n in re.findall(r"\d+", os.path.splitext(name)[0])] for name in names]
    if len(names) < 3 or len({len(row) for row in numbers}) != 1:
        return []
    changing = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    if len(changing) != 1 or len(set(changing[0])) != len(names):
        return []
    series = sorted(changing[0])
    step = min(after - before for before, after in itertools.pairwise(series))
    if (series[-1] - series[0]) // step > SPARSE * len(series):  # dates, not numbers of sections
        return []
    return sorted(set(range(series[0], series[-1], step)) - set(series))


def series_of_names(names: Sequence[str]) -> list[str]:
    """Names with # for their numbers, each once; one for each name where names have no number.

    Example:
        >>> series_of_names(["raw_01.png", "raw_02.png", "seg_01.png"])
        ['raw_#.png', 'seg_#.png']
    """
    series = list(dict.fromkeys(re.sub(r"\d+", "#", name) for name in names))
    return series if all("#" in name for name in series) else []


def _natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts], name


def _pixels(path: str) -> np.ndarray:
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as tiff:
            white = check_tags(tiff, path)
            section = tiff.asarray(maxworkers=1)
        section = section.reshape(section.shape[-2:])
        return section if white is None else inverted(section, white)
    with open(path, "rb") as file:
        data = file.read()
    return imagecodecs.png_decode(data) if suffix == ".png" else imagecodecs.jpeg8_decode(data)
